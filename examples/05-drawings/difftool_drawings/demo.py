"""Shapes as a shaky hand draws them."""

import numpy as np


def drawing(name, rng):
    """Strokes ``[n, 2]`` of one drawing, in a square from 0 to 100."""
    place, size, turn = 50 + rng.normal(0, 4, 2), rng.uniform(20, 35), rng.uniform(0, 2 * np.pi)
    angles = np.linspace(turn, turn + 2 * np.pi, rng.integers(40, 80))
    if name == "circles":
        return [place + r * size * shaky(_round(angles[::2]), rng) for r in (1, 0.5)]
    if name == "flower":
        return [place + size * shaky(_round(angles, 0.7 + 0.3 * np.cos(5 * angles)), rng)]
    return [place + size * shaky(_round(angles, _square(angles)), rng)]


def shaky(points, rng):
    return points + np.cumsum(rng.normal(0, 0.01, points.shape), 0)


def _round(angles, radius=1.0):
    return np.stack((np.cos(angles) * radius, np.sin(angles) * radius), 1)


def _square(angles):
    return 0.9 / np.maximum(abs(np.cos(angles)), abs(np.sin(angles)))
