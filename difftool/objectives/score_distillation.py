"""Score distillation: a trained model judges what any differentiable program draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..column import Column
from ..context import Opened
from ..errors import UsageError
from ..guidance.pair import unconditional
from ..rng import Rng
from ..shapes import expand_as


class ScoreDistillation:
    """The loss of DreamFusion   (Poole et al. 2022, arXiv:2209.14988, Eq. 3).

    What a program draws is made noisy, and moves towards the model's guided estimate. The gradient
    skips the network:

        grad = w(sigma) (eps_hat - eps) dx/dtheta,   eps_hat - eps = (x - D(x + sigma eps)) / sigma

    with w = sigma, so that x is led towards D with the same force from every level.

        judge = ScoreDistillation(difftool.load("runs/letters").open().stage, guidance=7.5)
        loss = judge(picture(), judge.conditions({"class": ["A"]}), difftool.Stream(0, "fit", step))
        loss.mean().backward()

    Args:
        model: a trained model in memory, in model units: ``x [b, ...]``.
        guidance: scale of classifier-free guidance. High scales make one sharp result, the most
            likely one, and not a sample.
        low, high: the range of noise levels, as shares of the schedule's time.
    """

    def __init__(
        self, model: Opened, *, guidance: float = 7.5, low: float = 0.2, high: float = 0.9
    ) -> None:
        if not 0 <= low < high <= 1:
            raise UsageError(
                f"low {low:g} must be below high {high:g}, and both between 0 and 1: they are "
                "shares of the schedule's time."
            )
        self.model, self.guidance, self.low, self.high = model, guidance, low, high
        model.denoiser.eval().requires_grad_(False)

    def conditions(self, texts: Mapping[str, Sequence[str]]) -> dict[str, Tensor]:
        """Values of conditions as the command line writes them, for a batch of as many examples."""
        columns: Mapping[str, Column] = self.model.description.conditions
        if strange := set(texts) - set(self.model.denoiser.conditioners):
            known = ", ".join(self.model.denoiser.conditioners) or "none"
            raise UsageError(f"The model has no condition {sorted(strange)[0]!r}. It has: {known}.")
        device = next(self.model.denoiser.parameters()).device
        return {
            name: torch.from_numpy(
                columns[name].batch([columns[name].parse(text) for text in values])
            ).to(device)
            for name, values in texts.items()
        }

    def __call__(
        self, x: Tensor, cond: Mapping[str, Tensor], rng: Rng, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, ...]`` in model units -> the loss ``[b]``, whose gradient is that of Eq. 3.

        Args:
            cond: a value of each of the model's conditions.
        """
        process, space = self.model.process, self.model.representation.space
        time = self.low + (self.high - self.low) * rng.uniform((len(x),))
        sigma = process.schedule.sigma(time.double()).float()
        with torch.no_grad():
            noisy = x + expand_as(sigma, x) * space.noise(x.shape, rng, mask)
            target = space.project(self.estimate(noisy, sigma, cond, mask), mask)
        return 0.5 * space.mean_square(x - target, mask)

    def estimate(
        self, noisy: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None
    ) -> Tensor:
        """The guided estimate of the clean example (Ho & Salimans 2022, Eq. 6)."""
        denoiser = self.model.denoiser
        given = denoiser(noisy, sigma, cond, mask)
        if self.guidance == 1 or not cond:
            return given
        free = denoiser(noisy, sigma, unconditional(denoiser, cond), mask)
        return free + self.guidance * (given - free)
