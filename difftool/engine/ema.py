"""Averages of the weights over several horizons, and averages that are chosen after training.

An exponential average has a half-life in examples (Karras et al. 2022, arXiv:2206.00364, App. F). A
power-function average has a relative width (Karras et al. 2024, arXiv:2312.02696, Sec. 3). The
average of any other width is the least-squares combination of snapshots of two such averages (App.
C).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..settings import EmaOptions
from .shard import like, local


@dataclass(frozen=True, slots=True)
class Exponential:
    """beta = 2^(-batch / half-life).

    The half-life is at most ``rampup`` times the examples seen.
    """

    halflife: float
    rampup: float

    @property
    def name(self) -> str:
        return f"halflife-{self.halflife:g}"

    def beta(self, seen: int, batch: int) -> float:
        halflife = min(self.halflife, seen * self.rampup) if self.rampup else self.halflife
        return 0.5 ** (batch / max(halflife, 1e-8))


@dataclass(frozen=True, slots=True)
class Power:
    """beta = (1 - batch / seen)^(gamma + 1)   (Karras et al. 2024, Eq. 127)."""

    width: float

    @property
    def name(self) -> str:
        return f"power-{self.width:g}"

    def beta(self, seen: int, batch: int) -> float:
        return (1 - batch / max(seen, batch)) ** (gamma_of_width(self.width) + 1)


def gamma_of_width(width: float) -> float:
    """The exponent gamma whose profile has this relative standard deviation.

    sigma_rel^2 = (gamma + 1) / ((gamma + 2)^2 (gamma + 3)), solved for its largest real root (Eq.
    126).
    """
    t = width**-2
    roots = np.roots([1, 7, 16 - t, 12 - t])
    return float(roots.real[np.abs(roots.imag) < 1e-9].max())


class Ema:
    """Averages of parameters in float32, updated in place by foreach kernels.

    Args:
        parameters: name -> parameter; their order is kept.
    """

    def __init__(self, parameters: Mapping[str, Tensor], options: EmaOptions) -> None:
        self.profiles: list[Exponential | Power] = [
            Exponential(h, options.rampup) for h in options.halflife
        ]
        self.profiles += [Power(width) for width in options.power]
        self.names, self._parameters = list(parameters), list(parameters.values())
        self._live = [local(p) for p in self._parameters]
        self.averages = {
            profile.name: [p.detach().clone() for p in self._live] for profile in self.profiles
        }
        device = self._live[0].device if self._live else torch.device("cpu")
        self._weights = {
            profile.name: torch.zeros((), device=device) if device.type == "cuda" else 0.0
            for profile in self.profiles
        }

    def update(self, seen: int, batch: int) -> None:
        """Add the weights after a step.

        Args:
            seen: examples seen so far.
            batch: examples of this step.
        """
        self.set_betas(seen, batch)
        self.average()

    def set_betas(self, seen: int, batch: int) -> None:
        """Set the weight that the next ``average`` gives to the present weights."""
        for profile in self.profiles:
            weight = 1 - profile.beta(seen, batch)
            if isinstance(held := self._weights[profile.name], Tensor):
                held.fill_(weight)
            else:
                self._weights[profile.name] = weight

    @torch.no_grad()
    def average(self) -> None:
        """average += (1 - beta) (weights - average).

        On a CUDA device beta is read from the device, so that a recorded graph can be replayed with
        other values.
        """
        for profile in self.profiles:
            weight, averages = self._weights[profile.name], self.averages[profile.name]
            if isinstance(weight, Tensor):
                lerp_in_one_pass(averages, self._live, weight)
            else:
                torch._foreach_lerp_(averages, self._live, weight)

    def tensors(self, profile: str | None = None) -> dict[str, Tensor]:
        """Parameter name -> average, sharded as the parameter is; of the first profile unless
        another is named.
        """
        averages = self.averages[profile or self.profiles[0].name]
        parts = map(like, averages, self._parameters)
        return dict(zip(self.names, parts, strict=True))

    @contextmanager
    def applied(self, profile: str | None = None) -> Iterator[None]:
        """Inside the block, the parameters have the values of an average, by default the first."""
        kept = [p.detach().clone() for p in self._live]
        self._copy(self.averages[profile or self.profiles[0].name])
        try:
            yield
        finally:
            self._copy(kept)

    @torch.no_grad()
    def _copy(self, values: Sequence[Tensor]) -> None:
        torch._foreach_copy_(self._live, list(values))


def lerp_in_one_pass(averages: list[Tensor], values: list[Tensor], weight: Tensor) -> None:
    """``average += weight (value - average)``, with the weight ``[]`` on the device.

    No foreach kernel takes such a weight. The fused step of SGD does, and is the same formula: with
    the gradient -value and a weight decay of 1, p - lr (g + p) = p + lr (value - p).
    """
    torch._fused_sgd_(
        averages,
        values,
        [],
        weight_decay=1.0,
        momentum=0.0,
        lr=weight,
        dampening=0.0,
        nesterov=False,
        maximize=True,
        is_first_step=False,
    )


def posthoc_weights(
    snapshots: Iterable[tuple[float, float]], time: float, width: float
) -> np.ndarray:
    """The weights of snapshots in an average of another width (Karras et al. 2024, App. C.2, Alg.
    3).

    Args:
        snapshots: (examples seen, width) of each snapshot.
        time: examples seen at the end of the wanted average.
        width: its relative width.

    Returns:
        one weight for each snapshot: the least-squares fit of the wanted profile.
    """
    times, widths = (
        np.asarray(list(column), np.float64) for column in zip(*snapshots, strict=True)
    )
    gammas = np.asarray([gamma_of_width(w) for w in widths])
    gram = _profile_product(times[:, None], gammas[:, None], times[None], gammas[None])
    target = _profile_product(times, gammas, np.asarray(time), np.asarray(gamma_of_width(width)))
    return np.linalg.lstsq(gram, target, rcond=None)[0]


def _profile_product(
    t_a: np.ndarray, gamma_a: np.ndarray, t_b: np.ndarray, gamma_b: np.ndarray
) -> np.ndarray:
    """The inner product of profiles p(t) = (gamma + 1) t^gamma / t_end^(gamma + 1) on (0, min
    t_end).

    Karras et al. 2024, Eq. 151.
    """
    ratio, later = np.minimum(t_a, t_b) / np.maximum(t_a, t_b), np.maximum(t_a, t_b)
    exponent = np.where(t_a < t_b, gamma_b, gamma_a)
    return (gamma_a + 1) * (gamma_b + 1) * ratio**exponent / ((gamma_a + gamma_b + 1) * later)
