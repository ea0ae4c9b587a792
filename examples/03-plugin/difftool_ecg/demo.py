"""The demo set: heartbeats with P, Q, R, S and T waves. Racing hearts beat twice as fast."""

from __future__ import annotations

from pathlib import Path

import numpy as np

LENGTH = 64
COUNT = 100
"""Number of signals in each class."""

WAVES = (
    (-0.25, 0.15, 0.05),
    (-0.04, -0.15, 0.015),
    (0.0, 1.2, 0.02),
    (0.04, -0.25, 0.015),
    (0.28, 0.35, 0.06),
)
"""Position (in beats), height (in millivolts) and width (in beats) of each wave."""


def write_demo(folder: Path) -> None:
    """``folder/CLASS/000.csv``, the same signals every time."""
    rng = np.random.default_rng(0)
    for name, beats in (("calm", 1), ("racing", 2)):
        (folder / name).mkdir()
        for i in range(COUNT):
            np.savetxt(folder / name / f"{i:03d}.csv", signal(beats, rng), fmt="%.5f")


def signal(beats: int, rng: np.random.Generator) -> np.ndarray:
    t = (np.arange(LENGTH) / LENGTH * beats + rng.uniform(-0.1, 0.1)) % 1 - 0.5
    heights = rng.normal(1, 0.1, len(WAVES))
    return sum(
        h * height * np.exp(-0.5 * ((t - centre) / width) ** 2)
        for h, (centre, height, width) in zip(heights, WAVES, strict=True)
    )
