"""within: guidance in an interval of noise levels."""

from __future__ import annotations

from torch import Tensor

from ..sampler import Denoise


def within(
    inside: Denoise, outside: Denoise, low: float = 0.0, high: float | None = None
) -> Denoise:
    """``inside`` for low < sigma <= high, else ``outside``.

    Kynkäänniemi et al. 2024, arXiv:2404.07724.
    """

    def denoise(x: Tensor, sigma: float) -> Tensor:
        chosen = inside if low < sigma and (high is None or sigma <= high) else outside
        return chosen(x, sigma)

    return denoise
