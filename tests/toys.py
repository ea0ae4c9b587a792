"""Three objectives that ask for what denoising does not: a parameter of its own, a teacher and a target, a second player.

    python tests/toys.py KIND RUN TEACHER STEPS

trains one of them on the small pictures, in the process group that the environment describes.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import torch
from small import prepared, registry, small_run
from torch import Tensor, nn

from difftool import (
    Batch,
    Context,
    Moment,
    Objective,
    Options,
    Player,
    Rng,
    expand_as,
)
from difftool.assemble import Assembly
from difftool.engine.distributed import join, leave
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.stage import Stage


class Teacher(Options):
    teacher: str = ""


class Weighted(Objective):
    """The denoising loss, weighted by a learned uncertainty of each noise level (Karras et al. 2024, arXiv:2312.02696, Eq. 21)."""

    def __init__(self, options: object, context: Context) -> None:
        super().__init__(options, context)
        self.uncertainty = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        sigma, error = denoising_error(self, batch, rng)
        u = self.uncertainty(sigma.log()[:, None])[:, 0]
        return (-u).exp() * self.mean_square(error, batch) + u


class Consistent(Objective):
    """D at one level is D's own average at a lower one, reached by a step of a frozen teacher (Song et al. 2023, arXiv:2303.01469, Alg. 2)."""

    def __init__(self, options: Teacher, context: Context) -> None:
        super().__init__(options, context)
        self.target = deepcopy(self.denoiser).requires_grad_(False)
        self.teacher = context.open(options.teacher)

    def players(self) -> Sequence[Player]:
        return [Player("student", self.denoiser)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        noisy = self.noised(batch, rng)
        x, sigma, cond, mask = noisy
        # levels draw nearer, as the paper's N(k) makes them
        lower = sigma * (0.5 + 0.4 * moment.step / moment.steps)
        with torch.no_grad():
            slope = (x - self.teacher.denoiser(*noisy)) / expand_as(sigma, x)
            nearer = x + expand_as(lower - sigma, x) * slope
            if batch.observed is not None and batch.noise_free:
                nearer = self.space.keep(nearer, batch.x, batch.observed, mask)
            target = self.target(nearer, lower, cond, mask)
        return self.mean_square(self.denoiser(*noisy) - target, batch)

    def stepped(self, moment: Moment) -> None:
        torch._foreach_lerp_(list(self.target.parameters()), list(self.denoiser.parameters()), 0.1)


class Adversarial(Objective):
    """Denoising, and a critic that tells estimates of x0 from x0, with an optimizer and an interval of its own."""

    def __init__(self, options: object, context: Context) -> None:
        super().__init__(options, context)
        self.critic = nn.Sequential(
            nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1)
        )  # of each entry by itself

    def players(self) -> Sequence[Player]:
        return [
            Player("denoiser", self.denoiser),
            Player(
                "critic", self.critic, {"lr": 1e-3, "betas": (0.5, 0.9)}, every=2, averaged=False
            ),
        ]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        _, error = denoising_error(self, batch, rng)
        if player == "critic":
            return self._judged(error.detach() + batch.x, batch, 1.0) + self._judged(
                batch.x, batch, -1.0
            )
        return self.mean_square(error, batch) + 0.1 * self._judged(error + batch.x, batch, -1.0)

    def _judged(self, x: Tensor, batch: Batch, sign: float) -> Tensor:
        """The mean over the entries that are learnt of softplus(sign * critic), as the mean square of its root."""
        judged = nn.functional.softplus(sign * self.critic(x[..., None])[..., 0])
        return self.mean_square(judged.sqrt(), batch)


TOYS = {"weighted": Weighted, "consistent": Consistent, "adversarial": Adversarial}


def denoising_error(objective: Objective, batch: Batch, rng: Rng) -> tuple[Tensor, Tensor]:
    """Levels ``[b]``, and D - x0."""
    noisy = objective.noised(batch, rng)
    return noisy.sigma, objective.denoiser(*noisy) - batch.x


def with_toy(stage: Stage, kind: str, teacher: str) -> Stage:
    device = torch.device("cpu")
    opened = Assembly(registry(), device).load
    torch.manual_seed(0)
    context = Context(
        stage.description, device, opened, stage.representation, stage.process, stage.denoiser
    )
    return replace(stage, objective=TOYS[kind](Teacher(teacher=teacher), context))


def train_toy(
    kind: str,
    path: Path,
    teacher: str,
    steps: int,
    *sets: str,
    stop_at: int = 0,
    resume: bool = False,
) -> Path:
    """Train a toy on the small pictures; ``stop_at`` stops it after that step."""
    world = join()
    stage, dataset, toml = prepared(*small_run(steps, list(sets)))
    fresh = not resume and world.leads
    folder = (
        RunFolder.create(path, toml, dataset.description, dataset.source)
        if fresh
        else RunFolder(path)
    )
    done = [0]
    for event in fit(
        with_toy(stage, kind, teacher),
        dataset,
        folder,
        resume=resume,
        world=world,
        stop=lambda: done[0] + 1 == stop_at,
    ):
        done[0] = event.step
    leave()
    return path


if __name__ == "__main__":
    train_toy(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
