"""Given frames: the frames of a clip that the model sees, in training and when it continues clips.

Höppe et al. 2022, arXiv:2206.07696.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

GIVEN = "given_frames"
"""The condition: which frames of the clip are known."""

Kind = Literal["none", "first", "ends"]


def most(frames: int, kind: Kind) -> int:
    """The largest number of frames that training gives at one end: half of the clip, or a quarter
    at each end when the middle is filled in.
    """
    return max(1, frames // 2 if kind == "first" else frames // 4)


def draw(lengths: np.ndarray, frames: int, kind: Kind, uniform: np.ndarray) -> np.ndarray:
    """bool ``[b, frames]``: nothing of one half of the clips; of the others the first few frames,
    or those and the last few.

    Args:
        lengths: ``[b]``, frames that are real; at least one of them is never given.
        uniform: ``[b, 4]``, numbers from 0 to 1.
    """
    some, both, first, last = uniform.T
    at_both = (kind == "ends") & (both < 0.5)
    bound = np.where(at_both, most(frames, "ends"), most(frames, "first"))
    leading = np.where(some < 0.5, 1 + (first * bound).astype(int), 0)
    trailing = np.where((some < 0.5) & at_both, 1 + (last * bound).astype(int), 0)
    return ends(
        np.minimum(leading, np.maximum(lengths - 1 - trailing, 0)),
        np.minimum(trailing, lengths - 1),
        lengths,
        frames,
    )


def ends(leading: np.ndarray, trailing: np.ndarray, lengths: np.ndarray, frames: int) -> np.ndarray:
    """bool ``[b, frames]``: the first ``leading [b]`` and the last ``trailing [b]`` of each clip's
    ``lengths [b]`` frames.
    """
    at = np.arange(frames)
    return (at < leading[:, None]) | (
        (at >= (lengths - trailing)[:, None]) & (at < lengths[:, None])
    )
