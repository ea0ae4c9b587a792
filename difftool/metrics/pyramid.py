"""The Laplacian pyramid along any axes   (Burt & Adelson 1983)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def pyramid(x: np.ndarray, axes: Sequence[Sequence[int]]) -> list[np.ndarray]:
    """The detail of ``x [b, ...]`` at each scale, the finest first; the last is the low-pass rest.

    Args:
        axes: for each scale but the coarsest, the axes that are halved from it to the next.
    """
    scales = []
    for chosen in axes:
        low = x
        for axis in chosen:
            low = halved(low, axis)
        back = low
        for axis in reversed(chosen):
            back = doubled(back, axis, x.shape[axis])
        scales.append(x - back)
        x = low
    return [*scales, x]


def halved(x: np.ndarray, axis: int) -> np.ndarray:
    """Every other entry after a five-tap binomial filter: ``n -> ceil(n / 2)``; edges are
    repeated.
    """
    t = np.moveaxis(x, axis, -1)
    t = _edged(t, 2)
    smooth = (t[..., :-4] + t[..., 4:] + 4 * (t[..., 1:-3] + t[..., 3:-1]) + 6 * t[..., 2:-2]) / 16
    return np.moveaxis(smooth[..., ::2], -1, axis)


def doubled(x: np.ndarray, axis: int, n: int) -> np.ndarray:
    """``n`` entries from half as many, by the same filter."""
    t = np.moveaxis(x, axis, -1)
    wide = _edged(t, 1)
    made = np.empty((*t.shape[:-1], 2 * t.shape[-1]), t.dtype)
    made[..., ::2] = (wide[..., :-2] + 6 * t + wide[..., 2:]) / 8
    made[..., 1::2] = (t + wide[..., 2:]) / 2
    return np.moveaxis(made[..., :n], -1, axis)


def _edged(t: np.ndarray, width: int) -> np.ndarray:
    return np.concatenate((*(t[..., :1],) * width, t, *(t[..., -1:],) * width), -1)
