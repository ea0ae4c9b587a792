"""Guidances are an ordered list: parts of a plugin combine conditions, open models, follow gradients."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import call, examples, same, small_run

from difftool.assemble import load_stage
from difftool.config import gather, resolve
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.engine.weights import MODEL, load_weights, save_weights
from difftool.errors import ConfigError, ModelFileError
from difftool.guidance.several import Several
from difftool.plugin.registry import Registry
from difftool.testing import guidance_contract
from difftool_image.write import PROVENANCE


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of sixteen steps, with the toy plugin installed while the module's tests run."""
    folder = tmp_path_factory.mktemp("guidances")
    about = folder / "difftool_toyguidance-0.1.dist-info"
    about.mkdir()
    named = "Metadata-Version: 2.1\nName: difftool-toyguidance\nVersion: 0.1\n"
    (about / "METADATA").write_text(named)
    (about / "entry_points.txt").write_text("[difftool]\ntoyguidance = toyguidance.plugin\n")
    data, sets = small_run(
        steps=16,
        sets=[
            "optimizer.use=adamw",
            "optimizer.lr=1e-2",
            "ema.snapshot_every=8",
            "modality.augment=0",
        ],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        words = [word for text in sets for word in ("--set", text)]
        assert call("train", "-m", "image", str(data), *words, "--run", str(folder / "run")) == 0
        yield folder / "run"


def sampled(run: Path, to: Path, *sets: str) -> dict[str, np.ndarray]:
    words = [word for text in sets for word in ("--set", text)]
    every = ["-n", "3", "--steps", "4", "--cond", "class=above", "-o", str(to)]
    assert call("sample", str(run), *every, *words) == 0
    return examples(str(to))


def test_the_old_table_is_the_first_of_the_list(run, tmp_path):
    """One member gives the same bytes, whether it is written in the one table or in the other."""
    plain = sampled(run, tmp_path / "a", "guidance.scale=3")
    named = sampled(
        run, tmp_path / "b", "guidance.use=none", "guidances.x.use=cfg", "guidances.x.scale=3"
    )
    off = sampled(run, tmp_path / "c", "guidance.scale=3", "guidances.x.use=none")
    assert same(plain, named)
    assert same(plain, off)
    assert not same(plain, sampled(run, tmp_path / "d"))
    made = next((tmp_path / "b").glob("*.png"))
    assert json.loads(Image.open(made).info[PROVENANCE])["guidances"] == "cfg"


def test_they_act_in_the_order_in_which_they_are_written(run):
    """Thresholding after a pull bounds the samples; before it, it does not."""
    registry = Registry.load_all()
    clip, pull = {"use": "cfg", "clip": 0.3}, {"use": "measured", "mean": 2.0, "scale": 2.0}
    first, last = (
        load_stage(run / "model.safetensors", registry, device="cpu", overrides={"guidances": each})
        for each in ({"a": clip, "b": pull}, {"b": pull, "a": clip})
    )
    assert isinstance(last.guidance, Several)
    assert [member.options.scale for member in last.guidance.members] == [1.5, 2.0, 1.0]
    largest = [
        max(abs(one.example.astype(float) - 127.5).max() for one in generate(stage, request(stage)))
        for stage in (first, last)
    ]
    assert largest[1] < 0.32 * 127.5 < largest[0]


def request(stage) -> SampleRequest:
    return SampleRequest(n=3, steps=4, cond={"class": ["above"]}, guidance=stage.guidance)


def test_the_configuration_keeps_the_list_and_its_order():
    registry = Registry.load_all()
    sets = ["guidances.z.use=cfg", "guidances.a.use=cfg", "guidances.z.scale=2"]
    config = resolve("image", gather(registry, "image", sets=sets, project=None), registry)
    assert list(config.guidances) == ["z", "a"]
    assert list(config.to_dict()["guidances"]) == ["z", "a"]
    with pytest.raises(ConfigError, match=r"\[guidances.a\] does not name its guidance"):
        resolve(
            "image", gather(registry, "image", sets=["guidances.a.scale=2"], project=None), registry
        )


def test_one_combines_estimates_and_knows_the_next_level(run, tmp_path):
    """A step of CFG++ with DDIM, worked out by hand from the estimates of the model."""
    registry, path = Registry.load_all(), run / "model.safetensors"
    stage = load_stage(
        path,
        registry,
        device="cpu",
        overrides={"guidance": {"use": "plusplus", "scale": 0.6}, "sampler": {"use": "euler"}},
    )
    met = []
    real = stage.sampler

    def watched(denoise, x, sigmas, noise, **knobs):
        for step in real(denoise, x, sigmas, noise, **knobs):
            met.append((x.clone(), sigmas, step.x.clone()))
            yield step
            x = step.x

    list(generate(replace(stage, sampler=watched), request(stage)))
    with torch.no_grad():
        for index, (x, sigmas, after) in enumerate(met):
            sigma = x.new_full((len(x),), sigmas[index])
            cond = {"class": torch.zeros(len(x), dtype=torch.long)}
            given, free = (
                stage.denoiser(x, sigma, each) for each in (cond, stage.denoiser.null(cond))
            )
            guided = free + 0.6 * (given - free)
            expected = guided + sigmas[index + 1] / sigmas[index] * (x - free)
            torch.testing.assert_close(after, expected, atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("weights", ["run", "model file", "snapshot", "average"])
def test_one_opens_another_model(run, weights):
    """At scale -1 only the other model's estimate is left: its samples, bit for bit or nearly."""
    registry, path = Registry.load_all(), run / "model.safetensors"
    early = RunFolder.open(run).snapshots()[0]
    named, ema = {
        "run": (run, None),
        "model file": (path, None),
        "snapshot": (early, None),
        "average": (run, 0.07),
    }[weights]
    options = {"use": "weaker", "scale": -1.0, "run": str(named)} | ({"ema": ema} if ema else {})
    stage = load_stage(path, registry, device="cpu", overrides={"guidances": {"auto": options}})
    plain = load_stage(path, registry, device="cpu", ema=ema)
    made, other = (list(generate(one, request(one))) for one in (stage, plain))
    equal = [
        np.abs(a.example.astype(int) - b.example).max() <= 1
        for a, b in zip(made, other, strict=True)
    ]
    assert all(equal) == (weights != "snapshot")


def test_a_model_whose_guidance_lost_its_other_model_is_sampled_otherwise(run, tmp_path):
    tensors, about = load_weights(run / "model.safetensors", MODEL)
    about["config"]["guidances"] = {"auto": {"use": "weaker", "run": str(tmp_path / "gone")}}
    save_weights(path := tmp_path / "model.safetensors", MODEL, tensors, about)
    assert call("sample", str(path), "-n", "1", "-o", str(tmp_path / "a")) == 1
    with pytest.raises(ModelFileError, match="gone"):
        load_stage(path, Registry.load_all(), device="cpu")
    assert len(sampled(path, tmp_path / "b", "guidances.auto.use=none")) == 3


def test_one_follows_the_gradient_of_a_measurement(run, tmp_path):
    """The further samples are pulled towards a mean, the nearer they come."""

    def means(to: str, scale: float) -> np.ndarray:
        made = sampled(
            run,
            tmp_path / to,
            "guidance.scale=2",
            "guidances.mean.use=measured",
            "guidances.mean.mean=0.5",
            f"guidances.mean.scale={scale}",
        )
        return np.array([(one / 127.5 - 1).mean() for one in made.values()])

    misses = [np.abs(means(f"{scale}", scale) - 0.5).mean() for scale in (0.0, 0.1, 0.4)]
    assert misses[0] > misses[1] > misses[2]


@pytest.mark.parametrize(
    ("name", "options"), [("plusplus", {}), ("weaker", {}), ("measured", {"mean": 2.0})]
)
def test_each_keeps_the_contract(run, name, options, monkeypatch):
    found = Registry.load_all()
    monkeypatch.setattr("difftool.testing.parts.registry", lambda: found)
    suite = guidance_contract(name, options)
    tests = [test for test in dir(suite) if test.startswith("test_")]
    assert tests
    for test in tests:
        method = getattr(suite(), test)
        marks = getattr(method, "pytestmark", [])
        for values in [value for mark in marks for value in mark.args[1]] or [None]:
            with suppress(pytest.skip.Exception):
                method(*([] if values is None else [values]))
