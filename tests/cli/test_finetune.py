"""A trained model learns a new label from a few examples: adapters, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small import SETS, alike, call, examples, pictures, same

import difftool

WORDS = [word for setting in SETS for word in ("--set", setting)]
SAMPLE = ("-n", "2", "--steps", "3", "--precision", "fp32")
QUICK = ("--set", "train.precision=fp32", "--set", "train.batch=4", "--set", "train.preview=0")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the model ``runs/first`` of two classes, and pictures of a third."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "new" / "below").mkdir(parents=True)
    rng = np.random.default_rng(1)
    for i in range(6):
        picture = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8)
        picture[4:] += 150
        Image.fromarray(picture).save(folder / "new" / "below" / f"{i}.png")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["-m", "image", str(pictures()), *WORDS, "--steps", "8", "--run", "runs/first"]
        assert call("train", *words) == 0
        assert call("finetune", "first", "new", "--steps", "4", "--rank", "2", *QUICK) == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


TUNED, FIRST = Path("runs/first-finetuned"), Path("runs/first")


def sampled(*words: str, to: str) -> dict[str, np.ndarray]:
    shutil.rmtree(to, ignore_errors=True)
    assert call("sample", *words, *SAMPLE, "-o", to) == 0
    return examples(to)


def near(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    """Whether samples differ by rounding only."""
    pairs = [(one[name].astype(int), other[name].astype(int)) for name in one]
    return one.keys() == other.keys() and all(np.abs(a - b).max() <= 1 for a, b in pairs)


def test_the_run_is_ordinary_and_knows_the_new_label_beside_the_old_ones():
    for label in ("above", "left", "below"):
        assert len(sampled("first-finetuned", "--cond", f"class={label}", to="out")) == 2
    assert call("sample", "first", "--cond", "class=below", "-o", "no") == 2


def test_the_adapter_on_the_model_is_the_model_that_was_fine_tuned():
    merged = sampled("first-finetuned", "--cond", "class=below,left", to="merged")
    adapter = str(TUNED / "adapter.safetensors")
    laid = sampled("first", "--adapter", adapter, "--cond", "class=below,left", to="laid")
    assert near(merged, laid)
    assert call("export", "first", "--adapter", adapter, "--to", "all.safetensors") == 0
    assert same(laid, sampled("all.safetensors", "--cond", "class=below,left", to="exported"))
    none = sampled("first", "--adapter", f"{TUNED}:0", "--cond", "class=left", to="none")
    assert same(none, sampled("first", "--cond", "class=left", to="plain"))
    half = ["--adapter", f"{TUNED}:0.5"]
    assert near(
        sampled("first", *half, *half, "--cond", "class=left", to="halves"),
        sampled("first", "--adapter", str(TUNED), "--cond", "class=left", to="whole"),
    )


def test_names_are_those_of_peft_and_the_base_is_unchanged():
    own = load_file(TUNED / "adapter.safetensors")
    base, tuned = load_file(FIRST / "model.safetensors"), load_file(TUNED / "model.safetensors")
    assert base.keys() == tuned.keys()
    pairs = [name.removesuffix(".lora_A.weight") for name in own if name.endswith("lora_A.weight")]
    assert len(pairs) > 5
    for name in pairs:
        weight = base[f"{name.removeprefix('base_model.model.')}.weight"]
        a, b = own[f"{name}.lora_A.weight"], own[f"{name}.lora_B.weight"]
        assert a.shape == (2, *weight.shape[1:])
        assert b.shape == (weight.shape[0], 2, *[1] * (weight.ndim - 2))
    (rows,) = (name for name in own if name.endswith(".new_rows"))
    assert len(own[rows]) == 1
    assert len(own) == 2 * len(pairs) + 1
    changed = [
        name
        for name in base
        if not torch.equal(
            base[name], tuned[name][: len(base[name])] if tuned[name].ndim else tuned[name]
        )
    ]
    assert {f"{name.removeprefix('base_model.model.')}.weight" for name in pairs} == set(changed)


def test_a_run_that_was_stopped_ends_with_the_same_bits():
    shutil.copytree(TUNED, "runs/whole")
    more = [*QUICK, "--set", "train.save_every=2", "--rank", "2"]
    assert call("finetune", "first", "new", "--steps", "4", "--run", "runs/parts", *more) == 0
    *_, newest = sorted(Path("runs/parts/checkpoints").glob("*.safetensors"))
    newest.unlink()
    (Path("runs/parts") / "model.safetensors").unlink()
    assert call("resume", "parts") == 0
    assert alike("whole", "parts")
    assert all(
        torch.equal(tensor, load_file("runs/parts/adapter.safetensors")[name])
        for name, tensor in load_file(TUNED / "adapter.safetensors").items()
    )


@pytest.mark.parametrize(
    "more",
    [
        ["--method", "full"],
        ["--method", "head"],
        ["--set", "objective.dora=true"],
        ["--set", "objective.convolutions=false"],
    ],
    ids=["full", "head", "dora", "linear"],
)
def test_every_method_starts_as_the_model_and_agrees_with_its_file(more):
    shutil.rmtree("runs/start", ignore_errors=True)
    still = ["--set", "optimizer.lr=1e-12", "--set", "objective.prior=0", "--run", "runs/start"]
    assert call("finetune", "first", "new", "--steps", "1", *more, *still, *QUICK) == 0
    base, tuned = (load_file(f"runs/{name}/model.safetensors") for name in ("first", "start"))
    for name, tensor in base.items():
        torch.testing.assert_close(
            tuned[name][: len(tensor)] if tensor.ndim else tuned[name], tensor
        )
    shutil.rmtree("runs/start")
    moved = ["--set", "optimizer.lr=0.1", "--set", "optimizer.warmup=0", "--run", "runs/start"]
    assert call("finetune", "first", "new", "--steps", "2", *more, *moved, *QUICK) == 0
    whole = sampled("start", "--cond", "class=left", to="whole")
    assert not same(whole, sampled("first", "--cond", "class=left", to="plain"))
    if "full" in more:
        assert not Path("runs/start/adapter.safetensors").exists()
        return
    assert near(
        whole, sampled("first", "--adapter", "runs/start", "--cond", "class=left", to="laid")
    )


def test_from_python_and_what_is_refused(capsys):
    run = difftool.finetune(
        "first", "new", to="runs/python", steps=1, batch=2, preview=0, objective={"rank": 1}
    )
    assert len(run.model.sample(1, cond={"class": "below"}, steps=2)) == 1
    assert call("sample", "first", "--adapter", "nothing.safetensors") == 2
    assert "names no adapter file" in capsys.readouterr().err
    other = ["-m", "image", str(pictures()), *WORDS, "--set", "backbone.channels=16"]
    assert call("train", *other, "--steps", "1", "--run", "runs/other") == 0
    assert call("sample", "other", "--adapter", str(TUNED), "-o", "no") != 0
    assert "of another model" in capsys.readouterr().err
    words = ["--set", 'objective.targets=["nothing"]', "--set", "objective.base=runs/first"]
    assert call("finetune", "other", "new", *words, "--run", "runs/no") != 0


def test_a_second_adapter_brings_its_own_label(capsys):
    shutil.copytree("new", "newer")
    Path("newer/below").rename("newer/right")
    for path in Path("newer/right").glob("*.png"):
        Image.open(path).transpose(Image.Transpose.ROTATE_90).save(path)
    more = ["--steps", "2", "--rank", "1", "--run", "runs/right", *QUICK]
    assert call("finetune", "first", "newer", *more) == 0
    both = ["--adapter", str(TUNED), "--adapter", "runs/right:0.7"]
    capsys.readouterr()
    assert (
        call(
            "sample", "first", *both, "--cond", "class=right,below", *SAMPLE, "-o", "both", "--json"
        )
        == 0
    )
    made = json.loads(capsys.readouterr().out)["samples"]
    assert [row["cond"]["class"] for row in made] == ["right", "below"]
