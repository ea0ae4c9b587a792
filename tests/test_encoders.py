"""Pretrained text encoders as a condition, on tiny ones that are made here and saved as
transformers saves them.
"""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from small import SETS, call, examples, same

from difftool import UsageError
from difftool.conditioners.options import EncoderOptions
from difftool.testing import conditioner_contract

transformers = pytest.importorskip("transformers")

TEXTS = ("a red dog", "a cat", "two blue cats asleep", "")
WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "a",
    "red",
    "dog",
    "cat",
    "two",
    "blue",
    "cats",
    "asleep",
]
SIZES = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 40,
}


def tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, pad_token="[PAD]").save_pretrained(
        folder
    )


def network(kind: str):
    torch.manual_seed(0)
    if kind == "bert":
        return transformers.BertModel(transformers.BertConfig(**SIZES))
    if kind == "clip":
        text = {**SIZES, "projection_dim": 12, "eos_token_id": 3, "bos_token_id": 2}
        vision = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
                  "num_attention_heads": 2, "image_size": 8, "patch_size": 4}  # fmt: skip
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
        return transformers.CLIPModel(config)
    if kind == "clap":
        text = {**SIZES, "projection_dim": 12, "type_vocab_size": 1, "pad_token_id": 0}
        return transformers.ClapTextModelWithProjection(transformers.ClapTextConfig(**text))
    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2
        )
    )


KINDS = ("bert", "clip", "t5", "clap")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("encoders")
    for kind in KINDS:
        network(kind).save_pretrained(root / kind)
        tokenizer(root / kind)
    return root


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def built(folder: Path, **options):
    from difftool.conditioners.encoder import PretrainedText
    from difftool.conditioners.encoder_column import EncoderTextColumn

    chosen = EncoderOptions(path=str(folder), width=8, token_width=8, **options)
    column, _ = EncoderTextColumn.read_as("caption", [{"caption": t} for t in TEXTS], chosen)
    torch.manual_seed(1)
    return PretrainedText(chosen, column).eval(), column


@pytest.mark.parametrize("kind", KINDS)
def test_an_encoder_gives_what_transformers_gives(folders, kind):
    conditioner, column = built(folders / kind)
    value = torch.from_numpy(column.batch([TEXTS[2]]))
    ids = value[value >= 0][None]
    tower = network(kind).eval()
    reference = tower.text_model if kind == "clip" else tower
    with torch.no_grad():
        expected = reference(input_ids=ids).last_hidden_state
        found, _ = conditioner.encoder(ids, torch.ones_like(ids) > 0)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_cached_and_live_agree_and_each_text_is_encoded_once(folders, kind, cache, monkeypatch):
    cached, column = built(folders / kind)
    live, _ = built(folders / kind, cache=False)
    batch = torch.from_numpy(column.batch([*TEXTS, TEXTS[0]]))
    one, other = cached(batch), live(batch)
    torch.testing.assert_close(one.vector, other.vector)
    real = one.token_mask
    assert torch.equal(real, other.token_mask)
    torch.testing.assert_close(one.tokens[real], other.tokens[real])
    assert torch.equal(one.tokens[0], one.tokens[4])
    assert list(cache.rglob("*.sqlite"))
    again, _ = built(folders / kind)
    monkeypatch.setattr(again, "encoder", None)  # it is not asked again
    torch.testing.assert_close(again(batch).tokens, one.tokens)
    assert one.token_mask[3].sum() == 1, "an open text is one learned token"
    assert {p for p, _ in live.named_parameters()} >= {"open", "pooled.weight"}
    assert not any(p.requires_grad for p in live.encoder._held[0].parameters())


@pytest.mark.parametrize("pooling", [{"pooling_mode_mean_tokens": True}, {"pooling_mode": "mean"}])
def test_a_folder_of_sentence_transformers_says_how_tokens_are_pooled(folders, tmp_path, pooling):
    shutil.copytree(folders / "bert", tmp_path / "sentence")
    (tmp_path / "sentence" / "1_Pooling").mkdir()
    (tmp_path / "sentence" / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    conditioner, column = built(tmp_path / "sentence")
    ids = torch.from_numpy(column.batch(["a cat"]))
    ids = ids[ids >= 0][None]
    tokens, pooled = conditioner.encoder(ids, torch.ones_like(ids) > 0)
    torch.testing.assert_close(pooled, tokens.mean(1))


def test_padding_and_neighbours_change_nothing(folders):
    conditioner, column = built(folders / "bert", cache=False)
    together = conditioner(torch.from_numpy(column.batch(TEXTS)))
    for place, text in enumerate(TEXTS):
        alone = conditioner(torch.from_numpy(column.batch([text])))
        torch.testing.assert_close(together.vector[place], alone.vector[0])
    cut = EncoderOptions(path=str(folders / "bert"), longest=3)
    with pytest.warns(UserWarning, match="longer than 3 tokens"):
        short, _ = type(column).read_as("caption", [{"caption": TEXTS[2]}], cut)
    assert short.batch([TEXTS[2]])[0].tolist() == [2, 8, 3], "the end is kept"


def test_it_keeps_the_contract_of_conditioners(folders):
    options = {"path": str(folders / "clip"), "width": 8, "token_width": 8, "cache": False}
    _, column = built(folders / "clip")
    values = torch.from_numpy(column.batch(TEXTS[:3]))
    suite = conditioner_contract("encoder", options, column=column, values=values)
    made = {name for name in dir(suite) if name.startswith("test_")}
    # users do give it; the contract cannot read a column that needs a folder
    checks = [getattr(suite, name) for name in sorted(made - {"test_no_user_gives_it"})]
    assert len(checks) > 8
    for check in checks:
        check(suite())


def test_what_is_missing_is_said(folders, tmp_path):
    from difftool.conditioners.encoder_column import EncoderTextColumn

    with pytest.raises(UsageError, match="downloads nothing by itself"):
        EncoderTextColumn.read_as("caption", [{"caption": "a"}], EncoderOptions(path="nowhere"))


@pytest.mark.parametrize("stored", [True, False], ids=["inside", "by-reference"])
def test_a_model_is_trained_on_an_encoder_and_prompted(
    folders, stored, tmp_path, monkeypatch, capsys
):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    shutil.copytree(folders / "t5", "encoder")
    Path("data").mkdir()
    with open("data/metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(("file_name", "caption"))
        for i in range(8):
            Image.new("RGB", (8, 8), (30 * i,) * 3).save(f"data/{i}.png")
            table.writerow((f"{i}.png", TEXTS[i % 3]))
    sets = [*SETS, 'conditions.caption.use="encoder"', 'conditions.caption.path="encoder"',
            f"conditions.caption.stored={str(stored).lower()}", "train.steps=2"]  # fmt: skip
    words = [word for text in sets for word in ("--set", text)]
    assert call("train", "-m", "image", "data", "--run", "run", *words) == 0
    sample = ["sample", "run", "-n", "2", "--steps", "2", "--prompt", "a red dog"]
    assert call(*sample, "-o", "one") == 0
    if stored:
        shutil.rmtree("encoder")
        assert call(*sample, "-o", "two") == 0
        assert same(examples("one"), examples("two"))
        return
    from safetensors.torch import load_file, save_file

    weights = Path("encoder/model.safetensors")
    stored_names = load_file("run/model.safetensors")
    assert not any(".encoder.network." in name for name in stored_names)
    good = weights.read_bytes()
    save_file({name: t + 1 for name, t in load_file(weights).items()}, weights, {"format": "pt"})
    capsys.readouterr()
    assert call(*sample, "-o", "no") != 0
    assert "differ from those that the model was trained with" in capsys.readouterr().err
    weights.write_bytes(good)
    assert call(*sample, "-o", "three") == 0
    assert same(examples("one"), examples("three"))
    shutil.rmtree("encoder")
    assert call(*sample, "-o", "no") != 0
    assert "encoder" in capsys.readouterr().err
