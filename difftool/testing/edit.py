"""What every edit promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ..edit import Edit, Entries, Given, Start
from ..rng import Streams
from ..space import Euclidean
from .parts import load, named, needs_no_torch

SIGMAS = (20.0, 5.0, 1.0, 0.2, 0.02, 0.0)


def _denoise(x: Tensor, sigma: float) -> Tensor:
    """The exact denoiser of data of unit variance."""
    return x / (1 + sigma**2)


def edit_contract(name: str, options: dict[str, Any] | None = None) -> type:
    """A test class for an installed edit: ``TestMine = edit_contract("mine")``.

    Args:
        options: settings to test it with.
    """

    def edit() -> Edit:
        target, settings = load("edit", name, **(options or {}))
        built = target(settings)
        assert isinstance(built, Edit)
        return built

    def given(rows: list[int]) -> Given:
        rng = torch.Generator().manual_seed(0)
        x, other = (torch.randn(4, 2, 6, 6, generator=rng)[rows] for _ in range(2))
        noise = Streams(0, "contract", rows).normal(x.shape)
        second, weight = (other, torch.linspace(0, 1, 4)[rows]) if edit().pairs else (None, None)

        def another(k: int) -> Tensor:
            return Streams(0, f"contract {k}", rows).normal(x.shape)

        entries = Entries(x, lambda project: project)
        return Given(
            x,
            noise,
            SIGMAS,
            _denoise,
            _denoise,
            Euclidean(),
            another,
            None,
            second,
            weight,
            entries,
        )

    def start(rows: list[int]) -> Start:
        with torch.inference_mode():
            return edit().start(given(rows))

    class Contract:
        part = ("edit", name)

        def test_sampling_begins_at_finite_values_and_goes_down_to_no_noise(self) -> None:
            rows = [0] if edit().alone else [0, 1, 2, 3]
            x, sigmas, *_ = start(rows)
            assert x.shape == (len(rows), 2, 6, 6)
            assert x.dtype == torch.float32
            assert x.isfinite().all()
            assert list(sigmas) == sorted(set(sigmas), reverse=True), "the levels fall"
            assert sigmas[-1] == 0, "the last level is 0"
            assert sigmas[0] <= SIGMAS[0], "no level is above those that the model was asked for"

        def test_an_example_does_not_depend_on_its_neighbours(self) -> None:
            if edit().alone:
                pytest.skip("it takes each example alone")
            together, alone = start([0, 1, 2, 3]).x, start([2]).x
            assert torch.allclose(together[2:3], alone, atol=1e-5)

        def test_it_is_deterministic_and_leaves_what_it_is_given(self) -> None:
            what = given([0] if edit().alone else [0, 1])
            before = (what.x.clone(), what.noise.clone())
            with torch.inference_mode():
                one, other = edit().start(what), edit().start(what)
            assert torch.equal(one.x, other.x)
            assert torch.equal(what.x, before[0])
            assert torch.equal(what.noise, before[1])

        def test_its_options_need_no_torch(self) -> None:
            assert needs_no_torch("edit", name)

    return named(Contract, name)
