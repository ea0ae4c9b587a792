"""motion: how much clips move, how smoothly, and whether their brightness flickers."""

from __future__ import annotations

import numpy as np

from difftool import Statistics


class MotionStatistics(Statistics):
    """Numbers of bytes ``[t, c, h, w]``, as shares of full scale."""

    def of_example(self, example: np.ndarray) -> dict[str, float]:
        """``motion``, the mean change of a value from frame to frame; ``restlessness``, the change
        of that change over the change itself, 2 for frames without any order; ``flicker``, the mean
        change of the brightness of whole frames. NaN for a single frame.
        """
        x = example.astype(np.float64) / 255
        if len(x) < 3:
            return dict.fromkeys(("motion", "restlessness", "flicker"), float("nan"))
        once, twice = np.diff(x, axis=0), np.diff(x, 2, axis=0)
        motion = float(np.abs(once).mean())
        return {
            "motion": motion,
            "restlessness": float(np.abs(twice).mean()) / motion if motion else float("nan"),
            "flicker": float(np.abs(np.diff(x.mean((1, 2, 3)))).mean()),
        }
