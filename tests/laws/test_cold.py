"""Cold diffusion: degradations lose everything, and both algorithms restore what D knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small import call, registry, small_run, train
from torch import Tensor

from difftool.assemble import load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.errors import UsageError
from difftool.process.degradation import DEGRADATIONS, Degradation, degradation
from difftool.rng import Stream

SHAPES = [(4, 2, 16), (4, 2, 9, 12), (4, 2, 4, 6, 6)]
LEVELS = [1.0, 0.75, 0.5, 0.25, 0.0]


def severe(value: float) -> Tensor:
    return torch.full((4,), value)


def made(name: str, shape, **options) -> tuple[Degradation, Tensor, Tensor | None]:
    chosen = degradation(name, shape[1:], **options)
    return chosen, Stream(0, "x").normal(shape), chosen.draw(shape, Stream(0, "draw"))


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=["sound", "picture", "video"])
class TestEveryDegradation:
    def test_at_severity_zero_nothing_is_lost(self, name, shape):
        chosen, x0, drawn = made(name, shape)
        torch.testing.assert_close(chosen.degrade(x0, severe(0), drawn), x0)

    def test_at_severity_one_the_means_of_the_channels_are_left_at_most(self, name, shape):
        chosen, x0, drawn = made(name, shape)
        means = x0.flatten(2).mean(2).reshape(4, 2, *(1,) * (len(shape) - 2)).expand(shape)
        torch.testing.assert_close(
            chosen.degrade(x0, severe(1), drawn), chosen.degrade(means, severe(1), drawn)
        )

    def test_more_severity_loses_more(self, name, shape):
        chosen, x0, drawn = made(name, shape)
        lost = [
            (chosen.degrade(x0, severe(s), drawn) - x0).square().mean().item()
            for s in reversed(LEVELS)
        ]
        assert lost == sorted(lost)

    @pytest.mark.parametrize("improved", [True, False])
    def test_a_perfect_network_restores_the_example(self, name, shape, improved):
        chosen, x0, drawn = made(name, shape, improved=improved)
        x = chosen.degrade(x0, severe(1), drawn)
        found = chosen.solve(lambda x, s: x0, x, LEVELS, drawn)
        torch.testing.assert_close(found, x0, atol=1e-5, rtol=1e-4)


class Tinted(Degradation):
    """D(x0, s) = x0 + s e with a constant e."""

    def degrade(self, x0, severity, drawn):
        return x0 + severity.reshape(-1, 1, 1)


def test_the_improved_algorithm_forgives_any_network_where_the_degradation_is_linear():
    """Bansal et al. 2022, Sec. 3.3: x_s is D(x0, s), whatever the network restores."""
    x0, wrong = Stream(0, "x").normal((4, 2, 8)), Stream(1, "x").normal((4, 2, 8))
    for improved, forgives in ((True, True), (False, False)):
        chosen = Tinted(2, improved)
        found = chosen.solve(lambda x, s: wrong, x0 + 1, LEVELS, None)
        assert torch.allclose(found, x0, atol=1e-5) == forgives


def test_the_start_has_the_means_that_were_measured():
    chosen = degradation("blur", (2, 8, 8))
    levels = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    chosen.measure(levels[:, :, None, None].expand(2, 2, 8, 8))
    start = chosen.start((2000, 2, 8, 8), None, Stream(0, "start"))
    assert (start - start[:, :, :1, :1]).abs().max() < 1e-4
    assert start[:, 0].mean().item() == pytest.approx(2, abs=0.1)
    assert start[:, 0, 0, 0].std().item() == pytest.approx(1, abs=0.05)
    assert start[:, 1].abs().max() < 1e-4


def test_points_have_no_places_to_spread_over():
    with pytest.raises(UsageError, match="edm"):
        degradation("blur", (None, 7))


def test_a_run_learns_to_restore_and_samples_by_its_own_solver(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sets = ["process.use=cold", "process.degradation=pixelate", "objective.use=restoration"]
    run = train(tmp_path / "run", *small_run(steps=12, sets=sets))
    stage = load_stage(run / "model.safetensors", registry())
    assert stage.denoiser.degradation.count > 0  # it was measured, and saved with the model
    first, second = (
        [one.example for one in generate(stage, SampleRequest(n=3, steps=4, batch=batch))]
        for batch in (1, 3)
    )
    for one, other in zip(first, second, strict=True):
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 2
    assert not np.array_equal(first[0], first[1])
    assert call("evaluate", str(run), "--metrics", "likelihood", "-n", "2") != 0
