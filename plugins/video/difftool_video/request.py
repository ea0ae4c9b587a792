"""What samples are asked for: how long, how large, and what frames of them are given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from difftool import Batch, Description, Item, Streams, UsageError

from .given import GIVEN, most
from .options import VideoRequest

if TYPE_CHECKING:
    from .modality import VideoModality


def template(modality: VideoModality, description: Description, n: int, rng: Streams, wish: VideoRequest) -> Batch:
    """A raw batch of ``n`` clips, black but for the frames that are given; the condition ``frames`` ``[n, t]`` says which those are.

    Raises:
        UsageError: frames are given to a model that was not trained to go on from them, or they leave nothing to be made.
        DataError: their file cannot be used.
    """
    frames = wish.frames or modality.frames
    uniform = rng.uniform((n,)).double().cpu().numpy()
    lengths = np.full(n, frames) if wish.frames or wish.first_frames else drawn(description.extra["lengths"], frames, uniform)
    _, channels, *size = (side or 0 for side in description.shape)
    if wish.size:
        size = [wish.size, wish.size] if isinstance(wish.size, int) else list(wish.size)
    x = np.zeros((n, frames, channels, *size), np.uint8)
    given = give(x, modality, rng.indices, wish)
    varying = not wish.frames and not wish.first_frames and description.extra["lengths"][0] < frames
    raw = Batch(torch.from_numpy(x), mask=real(lengths, frames) if varying else None)
    if GIVEN in description.conditions:
        raw = raw.with_cond(**{GIVEN: torch.from_numpy(given)})
    return raw.map(lambda t: t.to(rng.device))


def drawn(quantiles: Sequence[int], most: int, uniform: np.ndarray) -> np.ndarray:
    """``[n]``: lengths distributed as what has these quantiles, by the inverse of its distribution function, at most ``most``."""
    return np.interp(uniform, np.linspace(0, 1, len(quantiles)), quantiles).round().astype(np.int64).clip(1, most)


def real(lengths: np.ndarray, frames: int) -> torch.Tensor:
    """The mask ``[n, frames, 1, 1, 1]`` of clips of these lengths."""
    return (torch.arange(frames) < torch.from_numpy(lengths)[:, None])[:, :, None, None, None]


def give(x: np.ndarray, modality: VideoModality, indices: Sequence[int], wish: VideoRequest) -> np.ndarray:
    """Lay the frames that are given into ``x [n, t, c, h, w]``; returns where they are, bool ``[n, t]``."""
    given = np.zeros(x.shape[:2], bool)
    if not wish.first_frames:
        if wish.last_frames or wish.given:
            named = "--last-frames" if wish.last_frames else "--given"
            raise UsageError(f"{named} goes with --first-frames, the video that the samples begin with. Name it too, or leave {named} out.")
        return given
    count = _count(modality, wish, x.shape[1])
    reader = modality.reader((x.shape[3], x.shape[4]))
    for text, place in ((wish.first_frames, slice(None, count)), (wish.last_frames, slice(-count, None))):
        videos = reader.scan(Path(text).expanduser()) if text else []
        for i, index in enumerate(indices if videos else ()):
            part = _part(reader, videos[index % len(videos)], place, wish.given)
            at = slice(0, len(part)) if place.start is None else slice(x.shape[1] - len(part), None)
            x[i, at], given[i, at] = part, True
    return given


def _count(modality: VideoModality, wish: VideoRequest, frames: int) -> int:
    """Frames given at each end."""
    trained, ends = modality.options.given, 2 if wish.last_frames else 1
    if trained == "none" or (ends == 2 and trained != "ends"):
        able = "--given ends" if ends == 2 else "--given first"
        raise UsageError(
            f"The model was trained with given = {trained}, so it cannot go on from frames like these. Train one with {able}: it is shown "
            "frames of half of the clips then, and learns to make the others."
        )
    count = wish.given or most(modality.frames, "ends" if ends == 2 else "first")
    if ends * count >= frames:
        raise UsageError(
            f"{ends * count} given frames leave none of {frames} to be made. Ask for more: --frames {frames + ends * count}, or give fewer: --given 1."
        )
    return count


def _part(reader: VideoModality, video: Item, place: slice, asked: int) -> np.ndarray:
    """The frames of a video that are given: as many as asked for, else at most as many as there are."""
    part = reader.read(video)[place]
    if asked > len(part):
        raise UsageError(f"{video.path} has {len(part)} frames at {reader.fps:g} frames/s, fewer than --given {asked}. Give {len(part)}.")
    return part
