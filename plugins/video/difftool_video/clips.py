"""Clips: random parts of videos, of one length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def clips(
    videos: np.ndarray | Sequence[np.ndarray], frames: int, uniform: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A random part of each video ``[t, c, h, w]``, or all of it with black after it in time and in
    space: uint8 ``[b, frames, c, h, w]``, and ``[b]``, its length.

    Args:
        uniform: ``[b]``, from 0 to 1: where among all places each part begins.
    """
    height, width = (max(video.shape[axis] for video in videos) for axis in (2, 3))
    x = np.zeros((len(videos), frames, videos[0].shape[1], height, width), np.uint8)
    lengths = np.asarray([min(len(video), frames) for video in videos])
    for place, (video, n, u) in enumerate(zip(videos, lengths, uniform, strict=True)):
        start = int(u * (len(video) - n + 1))
        _, _, h, w = video.shape
        x[place, :n, :, :h, :w] = video[start : start + n]
    return x, lengths
