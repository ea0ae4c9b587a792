"""Texts as a condition: vocabularies, padding, and a model that is trained on captions and prompted."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from small import SETS, call

from difftool import Description, UsageError
from difftool.column import Column
from difftool.conditioners.options import TextOptions
from difftool.conditioners.text import Text
from difftool.conditioners.text_column import PADDING, TextColumn
from difftool.errors import Notice
from difftool.workflows import words
from difftool.workflows.model import ModelFile

CAPTIONS = ["two red cats", "a blue dog, running", "one red dog", "köszönöm 🎈 a lot", ""]
ROWS = [{"caption": text} for text in CAPTIONS] * 3


def column(**options) -> TextColumn:
    return TextColumn.read_as("caption", ROWS, TextOptions(**options))[0]


@pytest.mark.parametrize("vocabulary", ["bpe", "word", "byte"])
def test_a_vocabulary_is_learnt_and_survives_the_model_file(vocabulary):
    made = column(vocabulary=vocabulary)
    again = Column.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert made == column(vocabulary=vocabulary), "it is the same every time"
    batch = again.batch(["two red cats", ""])
    assert batch.dtype == np.int64
    assert (batch[1] == PADDING).all()
    assert batch.max() < made.size
    assert (batch[0] == again.batch(["  TWO red cats".strip()])[0]).all(), "case does not matter"


def test_bytes_know_every_script_and_words_only_their_own():
    assert column(vocabulary="byte").parse("日本語 🎉") == "日本語 🎉"
    with pytest.raises(UsageError, match="no word that the model knows"):
        column(vocabulary="word").parse("日本語")


def test_a_word_that_the_vocabulary_lacks_is_said_once_and_read_as_nothing():
    made = column(vocabulary="word")
    with pytest.warns(Notice, match="the vocabulary of caption lacks are ignored: 'zebra'"):
        assert made.parse("red zebra cats") == "red zebra cats"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made.parse("a zebra")
        made.parse("a blue dog")
    red, zebra, cats = made.batch(["red zebra cats"])[0, :3]
    assert (red, zebra, cats) == (
        *made.batch(["red"])[0, :1],
        PADDING,
        *made.batch(["cats"])[0, :1],
    )


def test_long_texts_are_cut_and_it_is_said():
    rows = [{"caption": "word " * 10_000}, {"caption": "short"}]
    with pytest.warns(UserWarning, match="1 of 2 texts of caption are longer than 16 tokens"):
        made, values = TextColumn.read_as("caption", rows, TextOptions(longest=16))
    assert made.length == 16
    assert (made.batch(values)[0] != PADDING).all()
    assert len(values[0]) <= 10_000


def test_draws_follow_the_frequencies():
    rows = [{"caption": "often"}] * 9 + [{"caption": "rarely"}]
    made, _ = TextColumn.read("caption", rows)
    assert [made.draw(u) for u in (0.0, 0.5, 0.89, 0.95)] == ["often"] * 3 + ["rarely"]


@pytest.fixture(scope="module")
def encoder() -> tuple[Text, TextColumn]:
    torch.manual_seed(0)
    made = column()
    return Text(TextOptions(token_width=16, width=8), made).eval(), made


def test_padding_changes_nothing_and_neighbours_neither(encoder):
    text, made = encoder
    batch = torch.from_numpy(made.batch(["one red dog", "two red cats", ""]))
    together = text(batch)
    for place in range(3):
        alone = text(batch[place : place + 1])
        assert torch.allclose(together.vector[place], alone.vector[0], atol=1e-5)
    n = int((batch[0] != PADDING).sum())
    short = Text.forward.__get__(text)
    text.places.data, kept = text.places.data[:n], text.places.data
    try:
        cut = short(batch[:1, :n])
    finally:
        text.places.data = kept
    assert torch.allclose(cut.vector, together.vector[:1], atol=1e-5)
    assert torch.allclose(cut.tokens, together.tokens[:1, :n], atol=1e-5)


def test_null_is_one_learned_token(encoder):
    text, made = encoder
    signals = text(text.null(torch.from_numpy(made.batch(["one red dog"]))))
    assert signals.token_mask.sum() == 1
    assert not torch.equal(signals.vector, text(torch.from_numpy(made.batch(["red"]))).vector)


def test_a_model_is_trained_on_captions_and_prompted(tmp_path, monkeypatch, capsys):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    with (data / "metadata.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file_name", "caption"))
        for i in range(16):
            name = ("dark", "bright")[i % 2]
            Image.new("RGB", (8, 8), (200 * (i % 2) + i,) * 3).save(data / f"{i}.png")
            table.writerow((f"{i}.png", f"a {name} picture, number {i}"))
    own = [
        'conditions.caption.use="text"',
        "conditions.caption.token_width=16",
        "train.steps=4",
        "modality.augment=0",
    ]
    sets = [word for text in [*SETS, *own] for word in ("--set", text)]
    assert call("train", "-m", "image", str(data), "--run", "run", *sets) == 0
    (tmp_path / "prompts.txt").write_text("a bright picture\na dark, old picture\n")
    made = ["sample", "run", "-n", "2", "--steps", "2", "--json"]
    capsys.readouterr()
    assert call(*made, "--prompts", "prompts.txt", "-o", "one") == 0
    rows = json.loads(capsys.readouterr().out)["samples"]
    assert [row["cond"]["caption"] for row in rows] == ["a bright picture", "a dark, old picture"]
    prompts = ["--prompt", "a bright picture", "--prompt", "a dark, old picture"]
    assert call(*made, *prompts, "-o", "two") == 0
    for row in rows:
        again = Path("two") / Path(row["path"]).name
        assert np.array_equal(np.asarray(Image.open(row["path"])), np.asarray(Image.open(again)))
    steered = ["--guidance", "caption=3", "--negative", "a dark picture"]
    wish = "a (bright:1.3) picture AND a picture :0.5"
    assert call(*made, *steered, "--prompt", wish, "-o", "steered") == 0
    (row, _) = json.loads(capsys.readouterr().out.split("\n{")[-1].join(("{", "")))["samples"]
    assert row["cond"]["caption"] == wish
    assert call(*made, "--negative", "a dark picture", "--guidance", "1", "-o", "no") == 2
    assert call(*made, "--guidance", "colour=3", "-o", "no") == 2
    assert "no condition 'colour'" in capsys.readouterr().err
    assert call(*made, "--prompt", "bright " * 10_000, "-o", "long") == 0
    assert call(*made, "-o", "three") == 0, "without a prompt, captions are drawn from the data"
    assert call("resume", "run", "--steps", "5") == 0


@pytest.mark.parametrize("second", ["a dog", "a cat"], ids=["same", "other"])
def test_a_prompt_sets_all_conditions_on_the_same_texts(second, tmp_path, monkeypatch):
    """As two encoders of the same captions are; else each is named."""
    columns = {
        name: TextColumn.read(name, [{name: text}])[0]
        for name, text in {"caption": "a dog", "caption2": second}.items()
    }
    tables = {"conditions": {name: {"use": "encoder"} for name in columns}}
    (file := tmp_path / "model.safetensors").touch()
    model = ModelFile(file, tables, Description((3, 8, 8), "uint8", 1, columns, {}))
    monkeypatch.setattr(ModelFile, "read", lambda path: model)
    if second == "a dog":
        wanted = {"caption": ["a cat"], "caption2": ["a cat"]}
        assert words.parse_prompts([str(file)], ["a cat"], None) == wanted
        assert words.parse_negative([str(file)], ["a cat"]) == wanted
    else:
        with pytest.raises(UsageError, match="--cond caption=TEXT --cond caption2=TEXT"):
            words.parse_prompts([str(file)], ["a cat"], None)


def test_a_prompt_for_a_model_without_texts_is_refused(tmp_path, monkeypatch, capsys):
    from small import pictures

    monkeypatch.chdir(tmp_path)
    sets = [word for text in [*SETS, "train.steps=1"] for word in ("--set", text)]
    assert call("train", "-m", "image", str(pictures()), "--run", "run", *sets) == 0
    assert call("sample", "run", "--prompt", "a cat") == 2
    assert "it has none. Train it on captions" in " ".join(capsys.readouterr().err.split())
    (file,) = Path("run/checkpoints").glob("*.safetensors")
    assert call("sample", str(file), "--prompt", "a cat") == 1
    assert "not a difftool-model" in " ".join(capsys.readouterr().err.split())
