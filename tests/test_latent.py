"""Latents of a trained autoencoder: contract, tiles, other sizes, the model file alone, and autoencoders that changed or are gone."""

from __future__ import annotations

import math
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import call, prepared, registry, small_run, train
from torch import nn

from difftool import Batch
from difftool.assemble import Assembly, load_stage, measure, open_dataset
from difftool.assemble.encode import varied
from difftool.assemble.inherit import inherit, inherit_model
from difftool.config import gather, resolve
from difftool.description import Description
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.engine.weights import MODEL, load_weights, save_weights
from difftool.errors import ModelFileError, UsageError
from difftool.nn.autoencoder.network import Autoencoder
from difftool.nn.autoencoder.options import BottleneckOptions
from difftool.nn.autoencoder.tiled import decode_in_tiles
from difftool.rng import Stream
from difftool.testing import representation_contract
from difftool_image.pixels import Pixels

AE = [
    'objective.use="autoencoder"',
    "objective.channels=8",
    "objective.multipliers=[1,2]",
    "modality.augment=0",
]


def lively(made: nn.Module) -> nn.Module:
    for p in made.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.1)
    return made.eval().requires_grad_(False)


def opened(path: object, /, *, ema: float | None = None) -> SimpleNamespace:
    torch.manual_seed(1)
    description = Description((3, 8, 12), "uint8", 6)
    options = BottleneckOptions(channels=8, multipliers=(1, 2), latents=3)
    return SimpleNamespace(
        model=lively(Autoencoder(options, 3, 2)),
        representation=Pixels(None, description),
        description=description,
    )


RAW = (Stream(0, "raw").uniform((6, 3, 8, 12)) * 256).to(torch.uint8)
TestLatent = representation_contract(
    "latent", RAW, tolerance=255, options={"model": "any"}, opened=opened
)
TestDrawn = representation_contract(
    "latent", RAW, tolerance=255, options={"model": "any", "draw": True}, opened=opened
)
CLIPS = (Stream(0, "clips").uniform((4, 3, 3, 8, 12)) * 256).to(torch.uint8)
TestBytes = representation_contract(
    "latent",
    RAW,
    tolerance=255,
    options={"model": "any", "cached_as": "uint8", "variants": 2},
    opened=opened,
)
TestFramewise = representation_contract(
    "framewise", CLIPS, tolerance=255, options={"model": "any"}, opened=opened
)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("method", ["resize", "transposed", "shuffle"])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_tiles_leave_no_seam(dimension, method, causal):
    if causal and dimension != 3:
        pytest.skip("time needs three axes")
    torch.manual_seed(0)
    options = BottleneckOptions(
        channels=4, multipliers=(1, 2), latents=2, upsampling=method, causal=causal
    )
    made = lively(Autoencoder(options, 1, dimension)).double()
    long = {1: (70,), 2: (41, 9), 3: (37, 5, 4)}[dimension]
    z = Stream(0, "z").normal((1, 2, *long)).double()
    whole = made.decode(z)
    for side in (3, 16):
        torch.testing.assert_close(decode_in_tiles(made, z, None, [side] * dimension), whole)
    mask = torch.arange(long[0]).reshape(-1, *(1,) * (dimension - 1)) < 30
    mask = mask.expand(1, 1, *long)
    torch.testing.assert_close(
        decode_in_tiles(made, z, mask, [7] * dimension), made.decode(z, mask)
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """A trained autoencoder."""
    return train(tmp_path_factory.mktemp("runs") / "ae", *small_run(20, AE))


def wanted(first: Path, steps: int = 4, *sets: str) -> tuple[Path, list[str]]:
    return small_run(
        steps,
        [
            "modality.augment=0",
            'representation.use="latent"',
            f'representation.model="{first}"',
            *sets,
        ],
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_weights(run / "model.safetensors", MODEL)[0]


def test_encode_then_decode_is_the_autoencoder_at_any_size(first):
    stage, dataset, _ = prepared(*wanted(first))
    latent, data = stage.representation, dataset.batch(np.arange(6), Stream(0, "some")).x
    alone = load_stage(first / "model.safetensors", registry(), device="cpu")
    assert latent.shape == (4, 4, 4)
    for sizes in ((8, 8), (13, 6)):
        raw = Batch(data.repeat(1, 1, 2, 2)[:, :, : sizes[0], : sizes[1]])
        encoded = alone.representation.encode(raw)
        made = alone.representation.decode(alone.objective.reconstruct(encoded)).x
        back = latent.decode(latent.encode(raw)).x[:, :, : sizes[0], : sizes[1]]
        assert (made.int() - back.int()).abs().max() <= 1  # the mean is taken away and added again


def test_latents_have_the_measured_mean_and_spread(first):
    stage, dataset, _ = prepared(*wanted(first))
    x = stage.representation.encode(dataset.batch(np.arange(len(dataset)), Stream(0, "all"))).x
    assert x.mean((0, 2, 3)).abs().max() < 0.1
    torch.testing.assert_close(x.std((0, 2, 3)), torch.full((4,), 0.5), atol=0.1, rtol=0)


def test_fewer_examples_are_measured_where_each_is_encoded_and_it_is_shown(first, monkeypatch):
    data, sets = wanted(first)
    layers = gather(registry(), "image", sets=[f'data.path="{data}"', *sets], project=None)
    config = resolve("image", layers, registry())
    _, dataset = open_dataset(config, registry(), measured={})
    entries, shown = math.prod(dataset.description.shape), []
    monkeypatch.setattr(measure, "DEAR", 80 * entries)
    found = measure.measurements(
        config, Assembly(registry()), dataset, lambda *now: shown.append(now)
    )
    assert shown == [(n, 80, "measuring examples") for n in (20, 40, 60, 80)]
    monkeypatch.setattr(measure, "DEAR", 1 << 22)
    more = measure.measurements(config, Assembly(registry()), dataset)
    assert more != found  # the cache does not take one for the other
    torch.testing.assert_close(
        torch.tensor(more["std"]), torch.tensor(found["std"]), rtol=0.2, atol=0
    )


def test_the_model_file_alone_samples_to_the_bit_at_any_size_and_resumes(tmp_path, first):
    mine = Path(shutil.copytree(first, tmp_path / "ae"))
    data, sets = wanted(mine)
    whole, part = (
        train(tmp_path / "whole", data, sets),
        train(tmp_path / "a", data, sets, stop_at=2),
    )
    beside = examples(whole)
    shutil.rmtree(mine)  # a deleted autoencoder does no harm
    alone = tmp_path / "elsewhere" / "model.safetensors"
    alone.parent.mkdir()
    shutil.copy(whole / "model.safetensors", alone)
    assert np.array_equal(beside, examples(alone.parent))
    assert call("resume", str(part)) == 0
    one, other = weights(whole), weights(part)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (
        call("finetune", str(whole), str(data), "--steps", "2", "--run", str(tmp_path / "t")) == 0
    )
    out = tmp_path / "out"
    assert call("sample", str(alone), "-n", "2", "--size", "12x20", "-o", str(out)) == 0


def examples(run: Path) -> np.ndarray:
    stage = load_stage(run / "model.safetensors", registry(), device="cpu")
    return np.stack([one.example for one in generate(stage, SampleRequest(n=3, steps=4, seed=5))])


def test_other_weights_than_those_that_were_measured_are_refused(tmp_path, first):
    run = train(tmp_path / "run", *wanted(first, 2))
    tensors, about = load_weights(run / "model.safetensors", MODEL)
    name = next(name for name in tensors if name.startswith("representation."))
    tensors[name] = tensors[name] + 1
    save_weights(run / "model.safetensors", MODEL, tensors, about)
    with pytest.raises(ModelFileError, match="checksum"):
        load_stage(run / "model.safetensors", registry(), device="cpu")


@pytest.mark.parametrize(("part", "welcome"), [("encoder", False), ("decoder", True)])
def test_what_learnt_in_the_latents_of_another_encoder_is_refused(tmp_path, first, part, welcome):
    """Another decoder, such as one that learnt on clips, leaves the latents as they are."""
    learnt = train(tmp_path / "learnt", *wanted(first)) / "model.safetensors"
    shutil.copytree(first, other := tmp_path / "other")
    tensors, about = load_weights(other / "model.safetensors", MODEL)
    tensors = {name: t + 0.01 * name.startswith(f"{part}.") for name, t in tensors.items()}
    save_weights(other / "model.safetensors", MODEL, tensors, about)
    stage, _, _ = prepared(*wanted(other))
    with nullcontext() if welcome else pytest.raises(UsageError, match="latents of another enc"):
        inherit(stage, learnt)


def test_each_example_is_encoded_once_and_drawn_from_the_cache(tmp_path, first):
    data, sets = wanted(first, 2, "representation.draw=true")
    stage, dataset, _ = prepared(data, sets)
    assert dataset.encoded is not None
    batch = dataset.encoded.batch(np.arange(4))
    assert batch.x.dtype == torch.float16
    one, again, other = (
        stage.representation.draw(batch, Stream(0, "draw", step)).x for step in (0, 0, 1)
    )
    assert one.shape == (4, 4, 4, 4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    cached = train(tmp_path / "cached", data, sets)
    plain = train(
        tmp_path / "plain",
        *wanted(first, 2, "representation.draw=true", "representation.cache=false"),
    )
    torch.testing.assert_close(weights(cached), weights(plain), atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("cached_as", ["half", "uint8"])
@pytest.mark.parametrize("variants", [1, 3])
def test_cached_latents_are_the_live_ones_within_the_step_of_their_numbers(
    first, cached_as, variants
):
    data, sets = wanted(
        first, 2, f"representation.cached_as={cached_as}", f"representation.variants={variants}"
    )
    stage, dataset, _ = prepared(data, [*sets, f"modality.flip={str(variants > 1).lower()}"])
    encoded, latent = dataset.encoded, stage.representation
    assert (len(encoded), encoded.variants) == (len(dataset), variants)
    one = torch.tensor(1.0)
    step = latent._step(one.expand(1, 4, 1, 1))[1] / 2 if cached_as == "uint8" else 1e-3
    rows = np.arange(8)
    for variant in range(variants):
        raw = varied(dataset, rows, variant, variants > 1, one.device)
        kept = latent.draw(encoded.batch(rows + len(dataset) * variant), Stream(0, "draw")).x
        live = latent.encode(raw).x
        assert ((kept - live).abs() <= step + 1e-6).all()
    drawn = [encoded.batch(rows, Stream(0, "variant", i)).x for i in range(6)]
    assert all(torch.equal(drawn[0], other) for other in drawn) == (variants == 1)


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        (['representation.model=""'], "representation.model is empty"),
        (["modality.channels=grey"], "autoencoder of examples with 3 channels"),
    ],
)
def test_what_does_not_fit_is_said(first, sets, said):
    with pytest.raises(UsageError, match=said):
        prepared(*wanted(first, 2, *sets))


def test_a_run_that_is_not_an_autoencoder_is_refused(tmp_path):
    other = train(tmp_path / "other", *small_run(2))
    with pytest.raises(UsageError, match="has no latents"):
        prepared(*wanted(other))


def test_an_autoencoder_starts_from_another(first):
    stage, _, _ = prepared(*small_run(2, [*AE, "objective.adversary=0.5"]))
    found = inherit_model(stage, first / "model.safetensors")
    assert found.taken == found.total
    there = weights(first)
    assert all(torch.equal(t, there[name]) for name, t in stage.model.state_dict().items())
    wider, _, _ = prepared(*small_run(2, [*AE, "objective.channels=16"]))
    with pytest.raises(UsageError, match="another model"):
        inherit_model(wider, first / "model.safetensors")
