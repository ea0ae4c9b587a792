"""Ecg: .csv files <-> float32 ``[1, n]``, in millivolts. difftool's ``Arrays`` does the rest."""

import numpy as np

from difftool import Arrays

WAVES = (
    (-0.25, 0.15, 0.05),
    (-0.04, -0.15, 0.015),
    (0.0, 1.2, 0.02),
    (0.04, -0.25, 0.015),
    (0.28, 0.35, 0.06),
)
"""P, Q, R, S and T: position (in beats), height (in millivolts) and width (in beats)."""


class Ecg(Arrays):
    """Signals of one length. Subfolders are classes."""

    suffixes = (".csv",)

    def load(self, path):
        return np.loadtxt(path, np.float32, ndmin=1)[None]

    def save(self, array, path, info):
        np.savetxt(path, array[0], fmt="%.5f")

    def demo(self, folder):
        """Hearts at rest, and racing ones that beat twice as fast: 100 of each."""
        rng = np.random.default_rng(0)
        for name, beats in (("calm", 1), ("racing", 2)):
            (folder / name).mkdir()
            for i in range(100):
                np.savetxt(folder / name / f"{i:03d}.csv", beat(beats, rng), fmt="%.5f")


def beat(beats, rng):
    """``[64]`` readings in millivolts."""
    t = (np.arange(64) / 64 * beats + rng.uniform(-0.1, 0.1)) % 1 - 0.5
    heights = rng.normal(1, 0.1, len(WAVES))
    return sum(
        h * height * np.exp(-0.5 * ((t - centre) / width) ** 2)
        for h, (centre, height, width) in zip(heights, WAVES, strict=True)
    )
