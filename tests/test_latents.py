"""A representation with weights, from another run's file: trained, resumed, sampled, and sampled where that run is gone."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import Field
from small import call, prepared, registry, small_run, train
from torch import Tensor, nn

from difftool import Batch, Context, Euclidean, Options, Representation
from difftool.assemble import build, load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.engine.weights import MODEL, load_weights, save_weights
from difftool.errors import ModelFileError, UsageError
from difftool.plugin.registry import Registry
from difftool.rng import Stream
from difftool_image.pixels import Pixels


class LatentsOptions(Options):
    run: str = Field("", description="the run that the filters are from")


class Latents(nn.Module, Representation):
    """Pictures seen through an invertible 2 x 2 transform, made of the first filters of another run's network."""

    space = Euclidean()

    def __init__(self, filters: Tensor, context: Context) -> None:
        super().__init__()
        q, _ = torch.linalg.qr(filters.flatten()[:144].reshape(12, 12).double())
        self.forth = nn.Conv2d(3, 12, 2, stride=2, bias=False)
        self.forth.weight.data = q.float().reshape(12, 3, 2, 2)
        self.shape = (12, *(None if n is None else n // 2 for n in context.description.shape[1:]))

    @classmethod
    def build(cls, options: LatentsOptions, context: Context) -> Representation:
        if not options.run:  # the first run's own
            return Pixels(None, context.description)
        first = context.open(options.run)
        assert not any(p.requires_grad for p in first.denoiser.parameters())
        return cls(
            next(p for p in first.denoiser.backbone.parameters() if p.numel() >= 144), context
        )

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return {}

    def encode(self, raw: Batch) -> Batch:
        return raw.with_x(self.forth(raw.x.float() / 127.5 - 1))

    def draw(self, prepared: Batch, rng) -> Batch:
        return prepared.with_x(prepared.x + 0.1 * rng.normal(prepared.x.shape))

    def decode(self, batch: Batch) -> Batch:
        x = nn.functional.conv_transpose2d(batch.x, self.forth.weight, stride=2)
        return batch.with_x(((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8))


@pytest.fixture(autouse=True)
def latents(monkeypatch):
    """The image plugin's pixels and their options stand for it, so that the command line finds it."""
    load, options = Registry.load, Registry.options
    monkeypatch.setattr(
        Registry,
        "load",
        lambda self, spec: Latents if spec.name == "pixels" and LATENT else load(self, spec),
    )
    monkeypatch.setattr(
        Registry,
        "options",
        lambda self, spec: (
            LatentsOptions if spec.name == "pixels" and LATENT else options(self, spec)
        ),
    )
    yield
    LATENT.clear()


LATENT: list[bool] = []


@pytest.fixture
def first(tmp_path) -> Path:
    return train(tmp_path / "first", *small_run(2))


def wanted(first: Path, steps: int = 8) -> tuple[Path, list[str]]:
    LATENT.append(True)
    data, sets = small_run(steps, ["modality.augment=0"])
    return data, [*sets, f'representation.run="{first}"']


def weights(run: Path) -> dict[str, Tensor]:
    return load_weights(run / "model.safetensors", MODEL)[0]


def examples(stage, n: int = 3) -> np.ndarray:
    return np.stack([one.example for one in generate(stage, SampleRequest(n=n, steps=4, seed=5))])


def test_trained_resumed_bit_for_bit_and_sampled_from_the_command_line_where_the_first_run_is_gone(
    tmp_path, first
):
    data, sets = wanted(first)
    words = [word for value in sets for word in ("--set", value)]
    assert call("train", str(data), "-m", "image", *words, "--run", str(tmp_path / "whole")) == 0
    part = train(tmp_path / "part", data, sets, stop_at=4)
    whole = weights(tmp_path / "whole")
    assert {name for name in whole if name.startswith("representation.")} == {
        "representation.forth.weight"
    }
    frozen = weights(part)["representation.forth.weight"]
    assert torch.equal(frozen, whole["representation.forth.weight"])
    shutil.rmtree(first)
    assert call("resume", str(part)) == 0
    ended = weights(part)
    assert whole.keys() == ended.keys()
    assert all(torch.equal(tensor, ended[name]) for name, tensor in whole.items())
    copied = tmp_path / "elsewhere" / "model.safetensors"
    copied.parent.mkdir()
    shutil.copy(tmp_path / "whole" / "model.safetensors", copied)
    shutil.rmtree(tmp_path / "whole")
    assert call("sample", str(copied), "-n", "2", "--steps", "2", "-o", str(tmp_path / "out")) == 0
    assert {
        Image.open(path).size for path in (tmp_path / "out").rglob("*.png") if path.stem.isdigit()
    } <= {(8, 8)}
    one, other = (load_stage(copied, registry(), device="cpu") for _ in range(2))
    assert np.array_equal(examples(one), examples(other))
    assert torch.equal(one.representation.forth.weight, frozen)
    assert not any(p.requires_grad for p in one.representation.parameters())


def test_what_is_drawn_in_training_is_drawn_from_what_the_raw_example_gives(tmp_path, first):
    data, sets = wanted(first, 2)
    plain = weights(train(tmp_path / "one", data, sets))
    assert all(
        torch.equal(tensor, plain[name])
        for name, tensor in weights(train(tmp_path / "two", data, sets)).items()
    )
    noisy = Latents.draw
    try:
        Latents.draw = Representation.draw
        still = weights(train(tmp_path / "three", data, sets))
    finally:
        Latents.draw = noisy
    assert not all(torch.equal(tensor, plain[name]) for name, tensor in still.items())


def test_another_run_is_opened_once_for_all_that_is_built(tmp_path, first, monkeypatch):
    data, sets = wanted(first, 2)
    opened, real = [], build.stage_of
    monkeypatch.setattr(
        build,
        "stage_of",
        lambda path, *given, **named: (opened.append(path), real(path, *given, **named))[1],
    )
    words = [word for value in sets for word in ("--set", value)]
    assert call("train", str(data), "-m", "image", *words, "--run", str(tmp_path / "run")) == 0
    assert opened == [first / "model.safetensors"]


def test_a_model_that_opens_itself_is_refused(tmp_path, first):
    data, sets = wanted(first, 2)
    run = train(tmp_path / "run", data, sets)
    tensors, about = load_weights(run / "model.safetensors", MODEL)
    about["config"]["representation"]["run"] = str(run)
    del about["opened"]
    save_weights(run / "model.safetensors", MODEL, tensors, about)
    with pytest.raises(UsageError, match="opens itself"):
        load_stage(run / "model.safetensors", registry(), device="cpu")


def test_a_file_without_the_weights_is_refused_in_words(tmp_path, first):
    data, sets = wanted(first, 2)
    run = train(tmp_path / "run", data, sets)
    tensors, about = load_weights(run / "model.safetensors", MODEL)
    save_weights(
        run / "bare.safetensors",
        MODEL,
        {name: t for name, t in tensors.items() if not name.startswith("representation.")},
        about,
    )
    with pytest.raises(ModelFileError, match="does not hold the weights"):
        load_stage(run / "bare.safetensors", registry(), device="cpu")
    save_weights(run / "odd.safetensors", MODEL, tensors, {**about, "opened": {"first": 1}})
    with pytest.raises(ModelFileError, match=r"about\.opened\.first"):
        load_stage(run / "odd.safetensors", registry(), device="cpu")


class Encoder(Latents):
    """Counts the examples that it encodes, and may cache what it gives."""

    seen: ClassVar[list[int]] = []

    def encode(self, raw: Batch) -> Batch:
        self.seen.append(len(raw))
        return super().encode(raw)

    def draw(self, prepared: Batch, rng) -> Batch:
        return prepared


class Posterior(Encoder):
    """Draws anew from the cached moments at every step."""

    def prepare(self, raw: Batch) -> Batch:
        mean = self.encode(raw)
        return mean.with_x(torch.cat([mean.x, torch.full_like(mean.x, 0.1)], 1))

    def draw(self, prepared: Batch, rng) -> Batch:
        mean, std = prepared.x.chunk(2, 1)
        return prepared.with_x(mean + std * rng.normal(mean.shape))


def losses(run: Path) -> list[float]:
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["loss"] for line in lines]


@pytest.fixture(params=[Encoder, Posterior])
def encoder(request, monkeypatch):
    """The kind that the name stands for, cached from when the test says so."""
    kind = request.param
    monkeypatch.setattr(sys.modules[__name__], "Latents", kind)
    monkeypatch.setattr(kind, "seen", [])
    return kind


def test_training_from_the_cache_is_training_from_raw_examples_with_one_encoding_of_each(
    tmp_path, first, encoder, monkeypatch
):
    data, sets = wanted(first)
    raw = train(tmp_path / "raw", data, sets)
    encoder.seen.clear()
    monkeypatch.setattr(encoder, "cached", True)
    cached = train(tmp_path / "cached", data, sets)
    assert sum(encoder.seen) == len(list(data.rglob("*.png")))
    assert losses(raw) == losses(cached)
    assert_same(weights(raw), weights(cached))
    stopped = train(tmp_path / "stopped", data, sets, stop_at=5)
    train(stopped, data, sets, resume=True)
    assert_same(weights(cached), weights(stopped))
    assert sum(encoder.seen) == len(list(data.rglob("*.png")))  # another run finds the cache
    words = [word for value in sets for word in ("--set", value)]
    assert call("train", str(data), "-m", "image", *words, "--run", str(tmp_path / "line")) == 0
    assert_same(weights(cached), weights(tmp_path / "line"))
    assert sum(encoder.seen) == len(list(data.rglob("*.png")))


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_a_posterior_is_drawn_anew_from_cached_moments(tmp_path, first, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "Latents", Posterior)
    monkeypatch.setattr(Posterior, "cached", True)
    stage, dataset, _ = prepared(*wanted(first))
    batch = dataset.training_batch(np.arange(4), Stream(0, "collate"))
    assert batch.x.shape[1] == 24
    one, other = (stage.representation.draw(batch, Stream(0, "train", step)).x for step in (0, 1))
    assert one.shape[1] == 12
    assert not torch.equal(one, other)


def test_other_weights_are_another_cache(tmp_path, first, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "Latents", Encoder)
    monkeypatch.setattr(Encoder, "cached", True)
    data, sets = wanted(first)
    one = prepared(data, sets)[1]
    tensors, about = load_weights(first / "model.safetensors", MODEL)
    shifted = {name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in tensors.items()}
    save_weights(first / "model.safetensors", MODEL, shifted, about)
    other = prepared(data, sets)[1]
    places = np.arange(4)
    assert not torch.equal(one.encoded.batch(places).x, other.encoded.batch(places).x)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["modality.augment=0.01"], "augmentation"),
        (["modality.flip=true"], "augmentation"),
        (['bridge.use="resample"', "bridge.factors=[1,2,2]"], "bridge"),
    ],
)
def test_what_needs_raw_examples_is_refused_with_a_cache(
    tmp_path, first, monkeypatch, changes, said
):
    monkeypatch.setattr(sys.modules[__name__], "Latents", Encoder)
    monkeypatch.setattr(Encoder, "cached", True)
    data, sets = wanted(first)
    with pytest.raises(UsageError, match=f"caches what it encodes, but .*{said}"):
        prepared(data, [*sets, *changes])


def test_random_parts_of_examples_are_refused_with_a_cache(tmp_path, first, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "Latents", Encoder)
    monkeypatch.setattr(Encoder, "cached", True)

    def collate(self, examples, rng):
        return Batch(torch.from_numpy(examples).roll(int(rng.uniform((1,)) * 8), -1))

    monkeypatch.setattr("difftool_image.modality.ImageModality.collate", collate)
    data, sets = wanted(first)
    with pytest.raises(UsageError, match="takes a random part"):
        prepared(data, sets)
