"""What every guidance promises."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from ..denoiser import Cond
from ..guidance.guidance import Guidance
from ..nn.backbone import Signals
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


def guidance_contract(name: str, options: dict[str, Any] | None = None) -> type:
    """A test class for an installed guidance: ``TestMine = guidance_contract("mine")``.

    Args:
        options: settings to test it with, in which it should not be the plain conditional model.
    """

    def bound(denoiser: _Leaning, count: int = 3, mask: Tensor | None = None) -> Any:
        cond = {
            "asked": torch.arange(1.0, 4.0)[:count],
            "kept": torch.tensor([5.0, 6.0, 7.0])[:count],
        }
        target, settings = load("guidance", name, **(options or {}))
        guidance = target(settings)
        assert isinstance(guidance, Guidance)
        return guidance.bind(denoiser, cond, mask, kept=["kept"])

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
            assert torch.equal(x, before)

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
