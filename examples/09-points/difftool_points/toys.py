"""Toy distributions: equal Gaussians along a curve, so that their density is known exactly."""

import numpy as np


def _moons(t):
    """Two half circles that face each other."""
    angle = np.pi * t
    upper = np.stack((np.cos(angle) - 0.5, np.sin(angle) - 0.25), 1)
    return np.concatenate((upper, -upper))


def _rings(t):
    """A circle inside another."""
    circle = np.stack((np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)), 1)
    return np.concatenate((circle, 0.4 * circle))


def _spiral(t):
    angle = 3 * np.pi * np.sqrt(t)
    return (angle / (3 * np.pi))[:, None] * np.stack((np.cos(angle), np.sin(angle)), 1)


def _pair(t):
    """Of one number: two peaks."""
    return np.where(np.arange(len(t)) % 3 == 0, -1.0, 0.6)[:, None]


TOYS = {
    "moons": (_moons, 0.07),
    "rings": (_rings, 0.06),
    "spiral": (_spiral, 0.04),
    "pair": (_pair, 0.15),
}


def centres(name):
    """``[k, d]``, and the standard deviation around each."""
    curve, spread = TOYS[name]
    return curve((np.arange(60) + 0.5) / 60), spread


def draw(name, n, rng):
    """``[n, d]`` points."""
    means, spread = centres(name)
    return means[rng.integers(len(means), size=n)] + spread * rng.normal(size=(n, means.shape[1]))


def log_density(name, points):
    """``[n, d] -> [n]``: ln p."""
    means, spread = centres(name)
    square = ((points[:, None] - means) ** 2).sum(2) / (2 * spread**2)
    least = square.min(1, keepdims=True)
    total = np.log(np.exp(least - square).mean(1)) - least[:, 0]
    return total - points.shape[1] / 2 * np.log(2 * np.pi * spread**2)
