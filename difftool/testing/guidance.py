"""What every guidance promises."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from ..batch import Batch
from ..classifier import Classifier
from ..conditioners.columns import NumberColumn
from ..context import Context
from ..denoiser import Cond, D
from ..description import Description
from ..guidance.bind import bind
from ..guidance.guidance import Guidance, Sampling
from ..guidance.several import Several
from ..nn.attention import SelfAttention
from ..nn.backbone import Signals
from ..options import NoOptions
from ..sampler import Denoise
from .objective import Pointwise
from .parts import load, named

SIGMAS = (20.0, 0.7, 0.01)


class _Leaning:
    """A denoiser whose estimate leans towards its conditions, and that notes what it is given."""

    def __init__(self) -> None:
        self.met: list[Tensor] = []
        self.encoded = 0

    def signals(self, cond: Cond) -> Signals:
        self.encoded += 1
        return Signals(vector=torch.stack([cond["asked"], cond["kept"]], 1))

    def null(self, cond: Cond) -> dict[str, Tensor]:
        return {name: torch.zeros_like(value) for name, value in cond.items()}

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        assert signals.vector is not None
        assert sigma.shape == (len(x),), "a denoiser takes one sigma for each example"
        self.met.append(signals.vector.detach().clone())
        lean = signals.vector.sum(1).reshape(-1, *(1,) * (x.ndim - 1))
        x0 = x / (1 + sigma.reshape(lean.shape) ** 2) + 0.1 * lean
        return x0 if mask is None else x0 * mask


class _HalfLeaning(_Leaning):
    """Half its estimate."""

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        return 0.5 * super().__call__(x, sigma, signals, mask)


class _Halved(Guidance):
    """Half the estimate of its denoiser."""

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        denoise = bind(denoiser, cond, mask)
        return lambda x, sigma: 0.5 * denoise(x, sigma)


def _classifier() -> Classifier:
    """It takes "asked" for a number, at random."""
    row, settings = load("process", "edm")
    schedule, ends = load("schedule", "karras")
    asked = NumberColumn("asked", mean=0.0, std=1.0, low=0.0, high=4.0)
    torch.manual_seed(0)
    return Classifier(
        lambda interface: Pointwise(), (4, 2), row(settings, schedule(ends)), [asked], 4
    )


def _context() -> Context:
    def opened(path: Any, /, *, ema: float | None = None) -> Any:
        return SimpleNamespace(denoiser=_Leaning(), objective=SimpleNamespace(model=_classifier()))

    attentive: Any = SelfAttention(4, 4)
    attentive.told = {"scale": None}  # of a network into which guidance was folded
    description = Description((4, 2), "float32", 3)
    return Context(description, torch.device("cpu"), opened, denoiser=attentive)


def guidance_contract(
    name: str, options: dict[str, Any] | None = None, *, context: Context | None = None
) -> type:
    """A test class for an installed guidance: ``TestMine = guidance_contract("mine")``.

    Any model that it opens by path is replaced by a small one with the same conditions.

    Args:
        options: settings to test it with, in which it should not be the plain conditional model.
        context: the model to build it for, if it takes parts of it.
    """

    def guidance(count: int = 3, mask: Tensor | None = None) -> Guidance:
        target, settings = load("guidance", name, **(options or {}))
        built = target.build(settings, context or _context())
        assert isinstance(built, Guidance)
        template = Batch(torch.zeros(count, 4, 2), conditions(count), mask)
        return built.prepare(Sampling(range(count), (*SIGMAS, 0.0), template))

    def conditions(count: int) -> Cond:
        return {
            "asked": torch.arange(1.0, 4.0)[:count],
            "kept": torch.tensor([5.0, 6.0, 7.0])[:count],
        }

    def bound(denoiser: _Leaning, count: int = 3, mask: Tensor | None = None) -> Denoise:
        return guidance(count, mask).bind(denoiser, conditions(count), mask, kept=["kept"])

    def noisy(count: int = 3) -> Tensor:
        return torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))[:count]

    class GuidanceContract:
        @pytest.mark.parametrize("sigma", SIGMAS)
        def test_an_estimate_is_like_x_and_x_is_not_written_to(self, sigma: float) -> None:
            x = noisy()
            before = x.clone()
            x0 = bound(_Leaning())(x, sigma)
            assert x0.shape == x.shape
            assert x0.dtype == x.dtype
            assert x0.isfinite().all()
            assert not x0.requires_grad
            assert torch.equal(x, before)

        def test_it_needs_no_gradients_unless_it_says_so(self) -> None:
            if guidance().differentiates:
                pytest.skip("it differentiates")
            with torch.inference_mode():
                inferred = bound(_Leaning())(noisy(), 0.7)
            assert torch.equal(inferred, bound(_Leaning())(noisy(), 0.7))

        def test_it_stacks(self) -> None:
            """Around another guidance it sees what that gives; inside one, it is what that sees."""
            halved = _Halved(NoOptions())
            inside = Several([halved, guidance()]).bind(_Leaning(), conditions(3), kept=["kept"])
            outside = Several([guidance(), halved]).bind(_Leaning(), conditions(3), kept=["kept"])
            torch.testing.assert_close(inside(noisy(), 0.7), bound(_HalfLeaning())(noisy(), 0.7))
            torch.testing.assert_close(outside(noisy(), 0.7), 0.5 * bound(_Leaning())(noisy(), 0.7))

        def test_the_same_each_time(self) -> None:
            denoise = bound(_Leaning())
            assert torch.equal(denoise(noisy(), 0.7), denoise(noisy(), 0.7))

        @pytest.mark.parametrize("sigma", SIGMAS)
        def test_examples_do_not_see_one_another(self, sigma: float) -> None:
            torch.testing.assert_close(
                bound(_Leaning())(noisy(), sigma)[:1], bound(_Leaning(), 1)(noisy(1), sigma)
            )

        @pytest.mark.parametrize("sigma", SIGMAS)
        def test_what_must_be_kept_is_never_taken_away(self, sigma: float) -> None:
            denoiser = _Leaning()
            bound(denoiser)(noisy(), sigma)
            assert denoiser.met, "the denoiser was not asked"
            assert all((one[:, 1] >= 5).all() for one in denoiser.met), (
                "a condition in 'kept' was replaced by null"
            )

        def test_conditions_are_encoded_when_they_are_bound_and_not_at_each_evaluation(
            self,
        ) -> None:
            denoiser = _Leaning()
            denoise = bound(denoiser)
            encoded = denoiser.encoded
            for sigma in SIGMAS:
                denoise(noisy(), sigma)
            assert denoiser.encoded == encoded > 0

        def test_padding_stays_nothing(self) -> None:
            mask = torch.ones(3, 4, 1, dtype=torch.bool)
            mask[:, 2:] = False
            x0 = bound(_Leaning(), mask=mask)(noisy() * mask, 0.7)
            assert not x0[:, 2:].any()

    return named(GuidanceContract, name)
