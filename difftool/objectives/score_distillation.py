"""Score distillation: a trained model judges what any differentiable program draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from ..column import Column
from ..context import Opened
from ..errors import UsageError
from ..guidance.pair import unconditional
from ..nn.adapters import add_low_rank
from ..process.process import Process
from ..rng import Rng
from ..shapes import expand_as
from .few import levels_within


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
        self.space = model.representation.space
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
        with torch.no_grad():
            noisy, sigma = self.noised(x, rng, mask)
            target = self.space.project(self.target(x, noisy, sigma, cond, mask), mask)
        return 0.5 * self.space.mean_square(x - target, mask)

    def noised(self, x: Tensor, rng: Rng, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """x + sigma eps, and sigma ``[b]``, of levels within the range."""
        process: Process = self.model.process
        sigma = levels_within(process.schedule, self.low, self.high, len(x), rng)
        return x + expand_as(sigma, x) * self.space.noise(x.shape, rng, mask), sigma

    def target(
        self,
        x: Tensor,
        noisy: Tensor,
        sigma: Tensor,
        cond: Mapping[str, Tensor],
        mask: Tensor | None,
    ) -> Tensor:
        """Where ``x`` is led: to the guided estimate."""
        return self.estimate(noisy, sigma, cond, mask)

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


class VariationalDistillation(ScoreDistillation):
    """The loss of ProlificDreamer   (Wang et al. 2023, arXiv:2305.16213, Eq. 9 and Alg. 1).

    A second network, the *follower*, denoises what the program draws. The gradient is the difference
    of the two estimates in place of one estimate's distance,

        grad = w(sigma) (eps_hat - eps_follower) dx/dtheta,   with w = sigma,

    so that several results spread as the model's samples do, instead of gathering at the most
    likely one. Train the follower beside the program:

        judge = VariationalDistillation(stage)
        optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3)
        judge.follow(picture().detach(), cond, rng).mean().backward()

    Args:
        model, guidance, low, high: as of ``ScoreDistillation``; samples need little guidance here.
        rank: of the follower's changes to the model (LoRA); 0 for a copy all of whose weights learn.
    """

    def __init__(
        self,
        model: Opened,
        *,
        guidance: float = 1.0,
        low: float = 0.02,
        high: float = 0.98,
        rank: int = 4,
    ) -> None:
        super().__init__(model, guidance=guidance, low=low, high=high)
        self.follower = deepcopy(model.denoiser)
        if rank:
            add_low_rank(self.follower, rank)
        else:
            self.follower.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        """What the follower learns."""
        return [p for p in self.follower.parameters() if p.requires_grad]

    def follow(
        self, x: Tensor, cond: Mapping[str, Tensor], rng: Rng, mask: Tensor | None = None
    ) -> Tensor:
        """The follower's own loss ``[b]``: denoising of what the program drew."""
        noisy, sigma = self.noised(x.detach(), rng, mask)
        error = self.space.mean_square(self.follower(noisy, sigma, cond, mask) - x.detach(), mask)
        process: Process = self.model.process
        return process.weighting.weight(sigma) * error

    def target(
        self,
        x: Tensor,
        noisy: Tensor,
        sigma: Tensor,
        cond: Mapping[str, Tensor],
        mask: Tensor | None,
    ) -> Tensor:
        """x moved by the difference of the two estimates."""
        own = self.follower(noisy, sigma, cond, mask)
        return x + self.estimate(noisy, sigma, cond, mask) - own
