"""Gaussian data, of which everything is known in closed form, and networks of one number."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import torch

from difftool import Batch, Context, Description, Process, Signals
from difftool.rng import Stream
from difftool.space import Euclidean
from difftool.testing.parts import load

SD = 0.5
"""Standard deviation of the data."""


class Scaling(torch.nn.Module):
    """D(x; sigma) = x (sd / sqrt(sd^2 + sigma^2))^power, whose numbers are learnt.

    Power 2 denoises data of this standard deviation, and power 1 is the end of its probability
    flow.
    """

    conditioners: ClassVar = {}
    remembers = False
    drop_all = 0.0
    degradation = None
    told: ClassVar = {}
    backbone = SimpleNamespace(stepped=lambda: None)

    def __init__(self, power: float, sd: float = SD) -> None:
        super().__init__()
        self.power = torch.nn.Parameter(torch.tensor(power))
        self.sd = torch.nn.Parameter(torch.tensor(sd))

    def signals(self, cond):
        return Signals()

    def forward(self, x, sigma, cond, mask=None):
        scale = (self.sd / (self.sd**2 + sigma**2).sqrt()) ** self.power
        return x * scale[:, None]


class Factor(Scaling):
    """D(x; sigma) = x times any function of sigma."""

    def __init__(self, factor) -> None:
        super().__init__(1.0)
        self.factor = factor

    def forward(self, x, sigma, cond, mask=None):
        return x * self.factor(sigma)[:, None] * self.power


class Jumping(Scaling):
    """g(x; t, s), the estimate that leads from t to s on the flow, at power 1."""

    told: ClassVar = {"end": None}

    def forward(self, x, sigma, signals, mask=None):
        s, t = sigma if signals.end is None else signals.end, sigma
        flow = ((SD**2 + s**2) / (SD**2 + t**2)).sqrt()
        share = (s / t).clamp_max(1)
        here = SD**2 / (SD**2 + t**2)  # the limit of s = t: the denoiser
        factor = torch.where(share < 0.9999, (flow - share) / (1 - share).clamp_min(1e-4), here)
        return x * (factor * self.power)[:, None]


def process(sigma_max: float = 80.0) -> Process:
    """The row edm with the levels of flow time."""
    build, settings = load("schedule", "flow", sigma_max=sigma_max, sigma_min=0.002)
    schedule = build(settings)
    row, weights, density = (
        load(kind, name)
        for kind, name in (("process", "edm"), ("weighting", "edm"), ("density", "lognormal"))
    )
    made = row[0](row[1], schedule)
    return Process(made, density[0](density[1], schedule), weights[0](weights[1], made), schedule)


EXACT = Scaling(2.0).requires_grad_(False)
"""The denoiser of the data."""


def objective(name: str, student: torch.nn.Module, teacher: Any = EXACT, **options: Any) -> Any:
    """An objective by its name, around a student; None for no teacher."""
    columns, space = process(), SimpleNamespace(space=Euclidean(), shape=(16,))
    opened = SimpleNamespace(denoiser=teacher, process=columns, representation=space)
    target, settings = load(
        "objective", name, **({"teacher": "exact"} if teacher is not None else {}), **options
    )
    context = Context(
        Description((16,), "float32", 6),
        torch.device("cpu"),
        lambda path, /, *, ema=None: opened,
        space,  # type: ignore[arg-type]
        columns,
        student,  # type: ignore[arg-type]
    )
    return target(settings, context)


def data(n: int = 256) -> Batch:
    return Batch(SD * Stream(0, "data").normal((n, 16)))
