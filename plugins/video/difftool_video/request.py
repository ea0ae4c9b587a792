"""Requested samples: their length, their size, and their given frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from difftool import Batch, Description, Item, Streams, UsageError, local_path
from difftool_image import native

from .given import GIVEN, most
from .options import VideoOptions, VideoRequest


class Clips(Protocol):
    """What a request needs of the modality: how clips are read, and how many frames were trained on
    at once.
    """

    options: VideoOptions

    @property
    def frames(self) -> int: ...

    @property
    def fps(self) -> float: ...

    def scan(self, path: Path) -> list[Item]: ...

    def blocks(self, path: Path) -> Iterator[np.ndarray]: ...

    def reader(self, size: tuple[int, int]) -> Clips: ...


def template(
    modality: Clips, description: Description, n: int, rng: Streams, request: VideoRequest
) -> Batch:
    """A raw batch of ``n`` clips, black except for the frames that are given; the condition
    ``given_frames`` ``[n, t]`` says which those are.

    Where frames are given, they say what is in the clip: labels and numbers are left open unless
    the user asks for some.

    Raises:
        UsageError: frames are given to a model that was not trained to continue them, or they leave
            none to generate.
        DataError: their file cannot be used.
    """
    frames = request.frames or modality.frames
    varying = (
        not (request.frames or request.first_frames) and description.extra["lengths"][0] < frames
    )
    uniform = rng.uniform((n,)).double().cpu().numpy()
    lengths = (
        drawn(description.extra["lengths"], frames, uniform) if varying else np.full(n, frames)
    )
    size, sizes = _size(description, request), None
    if "sizes" in description.extra and not (request.size or request.first_frames):
        drawn_sizes = native.drawn(description.extra["sizes"], rng, n)
        size = tuple(max(one) for one in zip(*drawn_sizes, strict=True))
        sizes = native.mask_of(drawn_sizes)
    x = np.zeros((n, frames, description.shape[1] or 0, *size), np.uint8)
    given = give(x, modality, rng.indices, request)
    raw = Batch(
        torch.from_numpy(x),
        _open(description, n) if request.first_frames else {},
        masked(real(lengths, frames) if varying else None, sizes, frames),
    )
    if GIVEN in description.conditions:
        raw = raw.with_cond(**{GIVEN: torch.from_numpy(given)})
    return raw.map(lambda t: t.to(rng.device))


def _size(description: Description, request: VideoRequest) -> tuple[int, int]:
    if not request.size:
        _, _, height, width = description.shape
        return height or 0, width or 0
    return (request.size, request.size) if isinstance(request.size, int) else request.size


def _open(description: Description, n: int) -> dict[str, Tensor]:
    """Every condition that a user can set, as "not given"."""
    columns = (column for column in description.conditions.values() if column.settable)
    return {column.name: torch.from_numpy(column.batch([column.null] * n)) for column in columns}


def drawn(lengths: Sequence[int], longest: int, uniform: np.ndarray) -> np.ndarray:
    """``[n]``: lengths drawn from these, each of which stands for an equal share of the data; at
    most ``longest``.
    """
    return np.asarray(lengths)[(uniform * len(lengths)).astype(int)].clip(1, longest)


def real(lengths: np.ndarray, frames: int) -> Tensor:
    """The mask ``[n, frames, 1, 1, 1]`` of clips of these lengths."""
    return (torch.arange(frames) < torch.from_numpy(lengths)[:, None])[:, :, None, None, None]


def masked(moments: Tensor | None, places: Tensor | None, frames: int) -> Tensor | None:
    """The mask of clips from that of their frames ``[n, t, 1, 1, 1]`` and that of their sizes
    ``[n, 1, h, w]``; None where all is real.
    """
    if places is None:
        return moments
    whole = places[:, None].expand(-1, frames, -1, -1, -1)
    return whole if moments is None else moments & whole


def give(
    x: np.ndarray, modality: Clips, indices: Sequence[int], request: VideoRequest
) -> np.ndarray:
    """Write the given frames into ``x [n, t, c, h, w]``; returns their positions, bool ``[n, t]``."""
    given = np.zeros(x.shape[:2], bool)
    if not request.first_frames:
        if request.last_frames or request.given:
            named = "--last-frames" if request.last_frames else "--given"
            raise UsageError(
                f"{named} goes with --first-frames, the video that the samples begin with. Name "
                f"it too, or leave {named} out."
            )
        return given
    count = _count(modality, request, x.shape[1])
    reader = modality.reader((x.shape[3], x.shape[4]))
    ends = {
        text: reader.scan(local_path(text))
        for text in (request.first_frames, request.last_frames)
        if text
    }
    part = cache(lambda path, last: _part(reader, path, count, last, request.given))
    for i, index in enumerate(indices):
        for text, last in ((request.first_frames, False), (request.last_frames, True)):
            if text:
                shown = part(ends[text][index % len(ends[text])].path, last)
                at = slice(-len(shown), None) if last else slice(len(shown))
                x[i, at], given[i, at] = shown, True
    return given


def _count(modality: Clips, request: VideoRequest, frames: int) -> int:
    """Frames given at each end: as many as requested; by default as training showed, leaving some
    to generate.
    """
    trained, ends = modality.options.given, 2 if request.last_frames else 1
    if trained == "none" or (ends == 2 and trained != "ends"):
        able = "--given ends" if ends == 2 else "--given first"
        raise UsageError(
            f"The model was trained with given = {trained}, so it cannot continue frames like "
            f"these. Train one with {able}: it then sees known frames in half of the clips, and "
            "learns to generate the others."
        )
    room = (frames - 1) // ends
    if max(request.given, 1) > room:
        asked = ends * max(request.given, 1)
        raise UsageError(
            f"{asked} given frame{'s' * (asked > 1)} leave none of {frames} frames to generate. "
            f"Ask for more: --frames {asked + modality.frames}."
        )
    return request.given or min(room, most(modality.frames, "ends" if ends == 2 else "first"))


def _part(reader: Clips, path: Path, count: int, last: bool, asked: int) -> np.ndarray:
    """The first or the last frames of a video, ``[count, c, h, w]``, or all where it has fewer and
    no number was requested.
    """
    frames = chain.from_iterable(reader.blocks(path))
    part = np.stack(list(deque(frames, count) if last else islice(frames, count)))
    if asked > len(part):
        has = f"{len(part)} frame{'s' * (len(part) > 1)} at {reader.fps:g} frames/s"
        raise UsageError(
            f"{path} has {has}, fewer than --given {asked}. Ask for --given {len(part)}."
        )
    return part
