"""What the engine promises of training and sampling, whatever is trained."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import prepared, registry, small_run, train
from torch import Tensor

from difftool.assemble import load_stage
from difftool.batch import Batch
from difftool.context import Context
from difftool.engine import weights
from difftool.engine.checkpoint import checkpoints, load_checkpoint
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.errors import DeviceError, DifftoolError, NonFiniteLossError, UsageError
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.objective import Denoising
from difftool.options import NoOptions
from difftool.representation import Representation
from difftool.stage import Stage
from difftool_image.options import ImageRequest

# --- training ---------------------------------------------------------------------------------------------------------


def troubled(stage: Stage, at: int, trouble: Callable[[Tensor, Sequence[Tensor]], Tensor]) -> Stage:
    """Something happens to the loss of one step, counted from 1."""

    class Troubled(Denoising):
        def loss(self, batch, rng, moment, player) -> Tensor:
            loss = super().loss(batch, rng, moment, player)
            return (
                trouble(loss, list(self.denoiser.parameters())) if moment.step + 1 == at else loss
            )

    context = Context(
        stage.description,
        torch.device("cpu"),
        open,
        stage.representation,
        stage.process,
        stage.denoiser,
    )  # type: ignore[arg-type]
    return replace(stage, objective=Troubled(NoOptions(), context))


def becomes_nan(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    return loss * float("nan")


def has_a_nan_gradient(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    return loss + (0 * parameters[0].sum()).sqrt()  # 0, and its slope is 0 times infinity


def runs_out_of_memory(loss: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def trained_with(trouble, at: int, path: Path, *sets: str) -> RunFolder:
    stage, dataset, toml = prepared(*small_run(steps=12, sets=list(sets)))
    folder = RunFolder.create(path, toml, dataset.description, dataset.source)
    for _ in fit(troubled(stage, at, trouble), dataset, folder):
        pass
    return folder


def saved(path: Path) -> list[str]:
    """Names of the checkpoints, all of which, and the model, are whole and finite."""
    files = checkpoints(path / "checkpoints")
    for file in files:
        assert all(t.isfinite().all() for t in load_checkpoint(file)[0].values())
    if files:
        load_stage(path / "model.safetensors", registry(), device="cpu")
    return [file.stem for file in files]


def test_a_nan_loss_stops_with_its_step_and_leaves_the_last_good_checkpoint(tmp_path):
    with pytest.raises(NonFiniteLossError, match="became nan at step 6"):
        trained_with(becomes_nan, 6, tmp_path / "run")
    assert saved(tmp_path / "run") == ["00000004"]


def test_a_nan_loss_at_a_step_that_is_saved_is_not_saved(tmp_path):
    with pytest.raises(NonFiniteLossError, match="step 8"):
        trained_with(becomes_nan, 8, tmp_path / "run")
    assert saved(tmp_path / "run") == ["00000004"]


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """The loss of step 8 is a number, its gradient is not."""
    with pytest.raises(NonFiniteLossError, match="by step 8"):
        trained_with(has_a_nan_gradient, 8, tmp_path / "run")
    assert saved(tmp_path / "run") == ["00000004"]


def test_a_rate_far_too_large_ends_in_words(tmp_path):
    with pytest.raises(NonFiniteLossError, match=r"optimizer\.lr"):
        train(
            tmp_path / "run", *small_run(steps=12, sets=["optimizer.lr=1e30", "train.save_every=1"])
        )
    saved(tmp_path / "run")


def test_a_run_that_met_nan_goes_on_from_its_last_good_checkpoint(tmp_path):
    with pytest.raises(NonFiniteLossError):
        trained_with(becomes_nan, 6, tmp_path / "run")
    train(tmp_path / "run", *small_run(steps=12), resume=True)
    assert saved(tmp_path / "run") == ["00000008", "00000012"]


def test_out_of_memory_names_the_knobs_and_loses_nothing(tmp_path):
    with pytest.raises(
        DeviceError, match=r"batch 8 .*train\.accumulate=2.*--batch 4.*train\.checkpointing"
    ) as caught:
        trained_with(runs_out_of_memory, 6, tmp_path / "run")
    assert caught.value.exit_code == 5
    assert saved(tmp_path / "run") == ["00000004"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    real = weights.save_file

    def full(tensors, path, metadata):
        if "00000008" in str(path):
            path.write_bytes(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path, metadata=metadata)

    monkeypatch.setattr(weights, "save_file", full)
    with pytest.raises(DifftoolError, match=r"full.*Free some space"):
        train(tmp_path / "run", *small_run(steps=12))
    assert saved(tmp_path / "run") == ["00000004"]
    assert not list((tmp_path / "run").rglob("*.partial"))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from difftool.engine import weights
from small import train
real = weights.save_file
def killed(tensors, path, metadata):
    real(tensors, path, metadata=metadata)
    if sys.argv[4] in path.name:
        os.truncate(path, path.stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
weights.save_file = killed
train(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[5:])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("during", "stands"), [("00000008", ["00000004"]), ("model", [])])
def test_a_kill_while_a_checkpoint_is_written_loses_nothing(tmp_path, during, stands):
    """During the second checkpoint, or during the very first model file, which comes before its checkpoint."""
    data, sets = small_run(steps=12)
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(Path(__file__).parents[1]),
        str(tmp_path / "run"),
        str(data),
        during,
        *sets,
    ]
    killed = subprocess.run(
        command, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [file.stem for file in checkpoints(tmp_path / "run" / "checkpoints")] == stands
    assert list((tmp_path / "run").rglob("*.partial"))
    train(tmp_path / "run", data, sets, resume=True)
    assert not list((tmp_path / "run").rglob("*.partial"))
    alone = train(tmp_path / "alone", data, sets)
    one, other = (
        load_checkpoint(path / "checkpoints" / "00000012.safetensors")[0]
        for path in (tmp_path / "run", alone)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)


# --- sampling ---------------------------------------------------------------------------------------------------------


class Undecoded(Representation):
    """Leaves samples in model units, so that small differences are seen."""

    def __init__(self, inner: Representation) -> None:
        self.inner, self.shape, self.space = inner, inner.shape, inner.space

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        return self.inner.measure(raw)

    def encode(self, raw: Batch) -> Batch:
        return self.inner.encode(raw)

    def decode(self, batch: Batch) -> Batch:
        return batch


@pytest.fixture(scope="module")
def stage() -> Stage:
    """A network of random weights: what is promised does not hang on training."""
    built, _, _ = prepared(*small_run())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in built.denoiser.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return replace(built, representation=Undecoded(built.representation))


def sampled(stage: Stage, n: int, sampler: str = "", **wishes) -> np.ndarray:
    if sampler:
        spec = registry().get("sampler", sampler)
        stage = replace(
            stage, sampler=registry().load(spec), knobs=registry().options(spec)().model_dump()
        )
    return np.stack(
        [
            one.example
            for one in generate(stage, SampleRequest(n=n, steps=wishes.pop("steps", 3), **wishes))
        ]
    )


@pytest.mark.parametrize("sampler", ["heun", "euler_ancestral"])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_a_sample_depends_on_the_seed_and_its_index_alone(stage, sampler, batch):
    together = sampled(stage, 5, sampler, batch=8)
    np.testing.assert_allclose(sampled(stage, 5, sampler, batch=batch), together, atol=1e-4)
    np.testing.assert_allclose(
        sampled(stage, 2, sampler, start=3, batch=batch), together[3:], atol=1e-4
    )


def test_the_same_request_gives_the_same_bits_and_another_seed_others(stage):
    torch.manual_seed(1)
    one = sampled(stage, 3, "euler_ancestral")
    torch.manual_seed(2)
    assert np.array_equal(one, sampled(stage, 3, "euler_ancestral"))
    assert not np.allclose(one, sampled(stage, 3, "euler_ancestral", seed=1))
    assert not np.allclose(one[0], one[1])


def test_samples_of_one_seed_differ_from_sampler_to_sampler_by_their_solution_only(stage):
    np.testing.assert_allclose(
        sampled(stage, 2, "heun", steps=200), sampled(stage, 2, "dpmpp_2m", steps=200), atol=0.05
    )


def conditions(stage: Stage, n: int, **wishes) -> list[str | float | None]:
    return [one.cond["class"] for one in generate(stage, SampleRequest(n=n, steps=1, **wishes))]


def test_conditions_are_taken_in_turn(stage):
    wish = {"class": ["left", "above", "none"]}
    assert conditions(stage, 5, cond=wish) == ["left", "above", None, "left", "above"]
    assert conditions(stage, 2, start=4, cond=wish) == ["above", None]
    assert conditions(stage, 3, cond={"class": ["all"]}) == ["above", "left", "above"]


def test_labels_that_are_not_named_are_drawn_as_they_occur_in_the_data(stage):
    described = stage.description
    skewed = replace(described.conditions["class"], counts=(30, 10))
    stage = replace(
        stage, description=replace(described, conditions={**described.conditions, "class": skewed})
    )
    found = Counter(conditions(stage, 400, batch=100))
    assert set(found) == {"above", "left"}
    assert 270 < found["above"] < 330
    assert conditions(stage, 7, batch=3) == conditions(stage, 7)


@pytest.mark.parametrize(
    ("cond", "said"),
    [
        ({"clas": ["above"]}, r"no condition 'clas'.*It has: class"),
        ({"class": ["abov"]}, r"'abov' is not a class.*Did you mean 'above'"),
        ({"augment": ["1"]}, "vector"),
    ],
)
def test_unknown_conditions_are_refused_before_anything_is_computed(stage, cond, said):
    with pytest.raises(UsageError, match=said):
        generate(stage, SampleRequest(n=1, steps=1, cond=cond))


def test_guidance_reaches_the_samples(stage):
    wish = {"cond": {"class": ["above"]}, "batch": 2}
    plain = sampled(stage, 3, **wish)
    one, three, zero, narrow = (
        sampled(stage, 3, guidance=ClassifierFree(GuidanceOptions(**knobs)), **wish)
        for knobs in ({}, {"scale": 3.0}, {"scale": 0.0}, {"scale": 3.0, "low": 1e6})
    )
    assert np.array_equal(plain, one)
    assert not np.allclose(plain, three, atol=1e-3)
    np.testing.assert_allclose(zero, sampled(stage, 3, cond={"class": ["none"]}), atol=1e-4)
    np.testing.assert_allclose(narrow, plain, atol=1e-4)
    np.testing.assert_allclose(
        three,
        sampled(stage, 3, guidance=ClassifierFree(GuidanceOptions(scale=3.0)), cond=wish["cond"]),
        atol=1e-4,
    )


def test_clipping_bounds_the_last_estimate(stage):
    assert (
        np.abs(sampled(stage, 2, guidance=ClassifierFree(GuidanceOptions(clip=0.3)))).max()
        <= 0.3 + 1e-6
    )


def test_another_size_than_trained(stage):
    assert sampled(stage, 2, shape=ImageRequest(size="12x20")).shape == (2, 3, 12, 20)


def test_an_evaluation_mode_and_no_gradients(stage):
    stage.denoiser.train()
    before = [p.clone() for p in stage.denoiser.parameters()]
    one = sampled(stage, 2)  # dropout would differ from call to call
    stage.denoiser.train()
    assert np.array_equal(one, sampled(stage, 2))
    assert all(torch.equal(a, b) for a, b in zip(before, stage.denoiser.parameters(), strict=True))
    assert all(p.grad is None for p in stage.denoiser.parameters())


# --- both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_learns_what_the_classes_look_like(tmp_path):
    """Pictures that are bright above, or on the left: samples of each class are recognised by two of their corners."""
    sets = [
        "backbone.channels=16",
        "backbone.dropout=0",
        "modality.augment=0",
        "train.batch=32",
        "train.save_every=1000",
        "ema.halflife=[1000]",
    ]
    path = train(tmp_path / "run", *small_run(steps=200, sets=[*sets, "optimizer.lr=2e-3"]))
    trained = load_stage(path / "model.safetensors", registry(), device="cpu", precision="fp32")
    made = list(generate(trained, SampleRequest(n=40, steps=8, cond={"class": ["all"]})))
    guesses = [
        "above" if one.example[:, :4, 4:].mean() > one.example[:, 4:, :4].mean() else "left"
        for one in made
    ]
    assert (
        np.mean([guess == one.cond["class"] for guess, one in zip(guesses, made, strict=True)])
        >= 0.95
    )
    bright = np.mean([one.example[:, :4, :4].mean() for one in made])
    dark = np.mean([one.example[:, 4:, 4:].mean() for one in made])
    assert bright == pytest.approx(180, abs=30)
    assert dark == pytest.approx(30, abs=30)


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m_sde"])
def test_on_a_brownian_path_a_sample_is_the_same_at_any_number_of_steps(stage, sampler):
    def apart(noise: str) -> float:
        return float(
            np.square(
                sampled(stage, 3, sampler, steps=16, noise=noise)
                - sampled(stage, 3, sampler, steps=48, noise=noise)
            ).mean()
        )

    assert apart("brownian") < apart("fresh") / 4


def test_a_brownian_path_does_not_depend_on_the_batch_and_is_another_in_each_round(stage):
    together = sampled(stage, 4, "euler_ancestral", noise="brownian", resampling_steps=2)
    np.testing.assert_allclose(
        sampled(stage, 1, "euler_ancestral", noise="brownian", resampling_steps=2, start=3),
        together[3:],
        atol=1e-4,
    )
    assert not np.allclose(
        together, sampled(stage, 4, "euler_ancestral", noise="brownian"), atol=0.1
    )
