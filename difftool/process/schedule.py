"""Schedules: sigma as a function of time, in float64, and the levels that a sampler visits."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from ..errors import UsageError
from .options import (
    CosineOptions,
    ExponentialOptions,
    FlowOptions,
    KarrasOptions,
    LaplaceOptions,
    LinearOptions,
    PolynomialOptions,
    SeverityOptions,
    SigmoidOptions,
    Spacing,
)
from .process import Schedule


def _wide(device: torch.device) -> torch.dtype:
    """float64, or the widest type that the device has."""
    return torch.float32 if device.type == "mps" else torch.float64


def bisect(f: Callable[[Tensor], Tensor], y: Tensor, low: float, high: float) -> Tensor:
    """x in [low, high] with f(x) = y, to rounding, for an increasing f."""
    a, b = torch.full_like(y, low), torch.full_like(y, high)
    for _ in range(60):
        middle = (a + b) / 2
        below = f(middle) < y
        a, b = torch.where(below, middle, a), torch.where(below, b, middle)
    return (a + b) / 2


class Warped(Schedule):
    """A schedule that is linear in ``warp(sigma)``.

    Attributes:
        visits_min: True if a sampler visits sigma_min before 0 (Karras et al. 2022, Eq. 5), False
            if its times are evenly spaced down to 0.
    """

    visits_min: ClassVar[bool] = False

    def __init__(self, sigma_min: float, sigma_max: float) -> None:
        self.sigma_min, self.sigma_max = sigma_min, sigma_max
        self._low, self._high = self.warp(
            torch.tensor([self.sigma_min, self.sigma_max], dtype=torch.float64)
        ).tolist()

    @abstractmethod
    def warp(self, sigma: Tensor) -> Tensor:
        """Increasing in ``sigma``."""

    @abstractmethod
    def unwarp(self, w: Tensor) -> Tensor:
        """The inverse of ``warp``."""

    def sigma(self, t: Tensor) -> Tensor:
        return self.unwarp(self._low + t.to(_wide(t.device)) * (self._high - self._low))

    def time(self, sigma: Tensor) -> Tensor:
        return (
            (self.warp(sigma.to(_wide(sigma.device))) - self._low) / (self._high - self._low)
        ).clamp(0, 1)

    def sigmas(self, n: int) -> list[float]:
        t = torch.linspace(1, 0 if self.visits_min else 1 / n, n, dtype=torch.float64)
        return [*self.sigma(t).tolist(), 0.0]


class Karras(Warped):
    """Linear in sigma^(1/rho)   (Karras et al. 2022, Eq. 5)."""

    visits_min = True

    def __init__(self, options: KarrasOptions) -> None:
        self.rho = options.rho
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        return sigma ** (1 / self.rho)

    def unwarp(self, w: Tensor) -> Tensor:
        return w**self.rho


class Severity(Warped):
    """Linear: every step takes as much of a degradation away."""

    def __init__(self, options: SeverityOptions) -> None:
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        return sigma

    def unwarp(self, w: Tensor) -> Tensor:
        return w


class Exponential(Warped):
    """Linear in ln sigma: every step divides sigma by the same factor."""

    visits_min = True

    def __init__(self, options: ExponentialOptions) -> None:
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        return sigma.log()

    def unwarp(self, w: Tensor) -> Tensor:
        return w.exp()


class Flow(Warped):
    """Linear in flow time t, shifted to t' = s t / (1 + (s - 1) t).

    Esser et al. 2024, arXiv:2403.03206, Eq. 23.

    With sigma = t' / (1 - t') the shift is a factor: sigma = s t / (1 - t).
    """

    def __init__(self, options: FlowOptions) -> None:
        self.shift = options.shift
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        return sigma / (self.shift + sigma)

    def unwarp(self, w: Tensor) -> Tensor:
        return self.shift * w / (1 - w)


class Cosine(Warped):
    """a_bar = cos^2(w(t)) / cos^2(w(0)) with w(t) = (t + s) / (1 + s) * pi / 2.

    Nichol & Dhariwal 2021, arXiv:2102.09672, Eq. 17.
    """

    def __init__(self, options: CosineOptions) -> None:
        self.cos0 = math.cos(options.offset / (1 + options.offset) * math.pi / 2)
        self.shift = options.shift
        self.shift_end = options.shift if options.shift_end is None else options.shift_end
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        if self.shift == self.shift_end:
            return torch.acos(self.cos0 * (1 + (sigma / self.shift).square()).rsqrt())
        return bisect(self.unwarp, sigma, math.acos(self.cos0), math.pi / 2)

    def unwarp(self, w: Tensor) -> Tensor:
        """With the shift of simple diffusion: the log-SNR falls by 2 ln(shift).

        Hoogeboom et al. 2023, arXiv:2301.11093, Eq. 4; interpolated in time, Sec. 3.1.
        """
        t = w * (2 / math.pi)
        shift = self.shift * (self.shift_end / self.shift) ** t
        return shift * ((self.cos0 / w.cos()).square() - 1).sqrt()


class Laplace(Warped):
    """The log-SNR of a uniform time follows a Laplace distribution.

    Hang et al. 2024, arXiv:2407.03297, Table 1. ln sigma is half the negative log-SNR, so it has
    half the scale; ``warp`` is its cumulative distribution.
    """

    def __init__(self, options: LaplaceOptions) -> None:
        self.mean, self.scale = -options.mean / 2, options.scale / 2
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        z = (sigma.log() - self.mean) / self.scale
        return z.sign() * -torch.expm1(-z.abs())

    def unwarp(self, w: Tensor) -> Tensor:
        return (self.mean - self.scale * w.sign() * torch.log1p(-w.abs())).exp()


class Sigmoid(Warped):
    """a_bar falls along a sigmoid from ``start`` to ``end``.

    Chen 2023, arXiv:2301.10972, Alg. 1.
    """

    def __init__(self, options: SigmoidOptions) -> None:
        self.tau = options.tau
        self.v_start, self.v_end = (
            1 / (1 + math.exp(-v / options.tau)) for v in (options.start, options.end)
        )
        super().__init__(options.sigma_min, options.sigma_max)

    def warp(self, sigma: Tensor) -> Tensor:
        a_bar = 1 / (1 + sigma.square())
        return self.tau * (self.v_end - a_bar * (self.v_end - self.v_start)).logit()

    def unwarp(self, w: Tensor) -> Tensor:
        v = (w / self.tau).sigmoid()
        return ((v - self.v_start) / (self.v_end - v)).sqrt()  # 1 / a_bar - 1


class Polynomial(Warped):
    """a_bar = (1 - 2 s) (1 - t^p)^2 + s   (Hoogeboom et al. 2022, arXiv:2203.17003, App. B).

    The paper states it for the root of a_bar, where s = 1e-5 would end at sigma = 1e5. Its
    published code, which this follows, uses it for a_bar itself, and ends at sigma = 316. The
    precision s keeps both ends finite, so it also determines the range.
    """

    def __init__(self, options: PolynomialOptions) -> None:
        self.power, self.precision = options.power, options.precision
        sigma_min = math.sqrt(options.precision / (1 - options.precision))
        super().__init__(sigma_min, 1 / sigma_min)

    def warp(self, sigma: Tensor) -> Tensor:
        a_bar = 1 / (1 + sigma.square())
        root = ((a_bar - self.precision) / (1 - 2 * self.precision)).clamp(0, 1).sqrt()
        return (1 - root) ** (1 / self.power)

    def unwarp(self, w: Tensor) -> Tensor:
        a_bar = (1 - 2 * self.precision) * (1 - w**self.power).square() + self.precision
        return (1 / a_bar - 1).sqrt()


class Linear(Schedule):
    """DDPM's table: beta grows linearly (Ho et al. 2020, arXiv:2006.11239, Sec. 4).

    Between entries ln sigma is linear in time. With ``terminal`` the root of a_bar is scaled and
    shifted to end at that sigma and to keep its first value: zero terminal SNR
    (Lin et al. 2024, arXiv:2305.08891, Alg. 1), but for a finite sigma.
    """

    def __init__(self, options: LinearOptions) -> None:
        betas = torch.linspace(
            options.beta_min, options.beta_max, options.levels, dtype=torch.float64
        )
        root = (1 - betas).cumprod(0).sqrt()
        if options.terminal is not None:
            end = 1 / math.hypot(1, options.terminal)
            root = end + (root - root[-1]) * (root[0] - end) / (root[0] - root[-1])
        table = (root.square().reciprocal() - 1).sqrt()
        self.sigma_min, self.sigma_max = table[0].item(), table[-1].item()
        self.spacing: Spacing = options.spacing
        self._log = {torch.device("cpu"): table.log()}

    def sigma(self, t: Tensor) -> Tensor:
        log = self._on(t.device)
        position = t.to(log.dtype) * (len(log) - 1)
        k = position.long().clamp(0, len(log) - 2)
        return torch.lerp(log[k], log[k + 1], position - k).exp()

    def time(self, sigma: Tensor) -> Tensor:
        log = self._on(sigma.device)
        level = sigma.to(log.dtype).log()
        k = (torch.searchsorted(log, level) - 1).clamp(0, len(log) - 2)
        return ((k + (level - log[k]) / (log[k + 1] - log[k])) / (len(log) - 1)).clamp(0, 1)

    def sigmas(self, n: int) -> list[float]:
        log = self._on(torch.device("cpu"))
        return [*log[steps(len(log), n, self.spacing)].exp().tolist(), 0.0]

    def _on(self, device: torch.device) -> Tensor:
        """The table on ``device``, moved there once."""
        if device not in self._log:
            self._log[device] = self._log[torch.device("cpu")].to(device, _wide(device))
        return self._log[device]


def steps(total: int, n: int, spacing: Spacing) -> Tensor:
    """``[n]``: the entries of a table of ``total`` that n steps visit, decreasing.

    Lin et al. 2024, arXiv:2305.08891, Table 2, counted from 0.
    """
    if n > total:
        raise UsageError(
            f"A schedule of {total} levels cannot be sampled in {n} steps. Ask for at most "
            f"{total}: a sampler visits no level twice."
        )
    if spacing == "leading":
        return torch.arange(n - 1, -1, -1) * (total // n)
    if spacing == "trailing":
        return (total - torch.arange(n, dtype=torch.float64) * total / n).round().long() - 1
    return torch.linspace(total - 1, 0, n, dtype=torch.float64).round().long()
