"""What to know about a folder of videos before training on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from difftool import Finding, Inspection, Item, Look, commonest, digest, some_names
from difftool_image.resize import smaller

from .decode import Header, header
from .measure import COLOURED
from .modality import VideoModality
from .retime import SAME

STILL = 0.5  # of 255: mean change from frame to frame under which nothing is said to move
PADDED = 0.3  # share of what is trained on
CUT = 0.25  # share of a frame's area that cropping takes


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLook(Look):
    """One video.

    Attributes:
        header: what the file says about itself.
        motion: mean change of a value from frame to frame, of 255.
        coloured: whether any frame shows a colour.
    """

    header: Header
    motion: float
    coloured: bool

    @property
    def frames(self) -> int:
        """As it will be trained on."""
        return self.shape[0]


class VideoInspection(Inspection[VideoModality, VideoLook]):
    """Inspects sizes, rates, lengths, colour, and whether anything moves."""

    grave = "damaged|cut short"

    def look(self, item: Item) -> VideoLook:
        stored = header(item.path)
        x = self.modality.read(item)
        return VideoLook(
            item=item,
            shape=x.shape,
            digest=digest(x),
            header=stored,
            motion=_change(x),
            coloured=any(_spread(frame) > COLOURED for frame in x),
        )

    def lines(self, looks: Sequence[VideoLook]) -> Iterator[Finding]:
        if numbered := [look.item for look in looks if look.item.path.is_dir()]:
            yield Finding(
                "note",
                "numbered pictures, each folder of them taken for one clip: "
                f"{some_names(numbered)}",
            )
        yield from _sizes(self.modality, looks)
        yield from _rates(self.modality, looks)
        yield from _lengths(self.modality, looks)
        yield from _channels(self.modality, looks)
        yield from _motion(looks)

    def advice(self, items: Sequence[Item], looks: Sequence[VideoLook]) -> str:
        length = f"{self.modality.frames} frames at {self.modality.fps:.4g} frames/s"
        return (
            "--recipe tiny\na larger model, for a GPU: --recipe small; "
            f"--frames and --fps choose another length than {length}"
        )


def _change(x: np.ndarray) -> float:
    """Mean change from frame to frame of ``[t, c, h, w]``.

    It is computed frame by frame, because a video may be larger than memory.
    """
    changes = [
        float(np.abs(after - before.astype(np.int16)).mean()) for before, after in pairwise(x)
    ]
    return sum(changes) / len(changes) if changes else math.inf


def _spread(frame: np.ndarray) -> int:
    return int((frame.max(0) - frame.min(0)).max())


def _sizes(modality: VideoModality, good: Sequence[VideoLook]) -> Iterator[Finding]:
    height, width = modality.size
    shown = commonest(f"{look.header.height}x{look.header.width}" for look in good)
    yield Finding("ok", f"sizes, height x width: {shown}; trained at {height}x{width}")
    how = modality.options.resize
    if low := [
        look
        for look in good
        if smaller((look.header.height, look.header.width), height, width, how)
    ]:
        yield Finding(
            "warning",
            f"smaller than {height}x{width} and enlarged: "
            f"{some_names(look.item for look in low)}. Ask for a smaller --size: their blur is "
            "learned.",
        )
    cut = [look for look in good if how == "crop" and _cut(look.header, height, width) > CUT]
    if len(cut) > len(good) / 20:
        yield Finding(
            "note",
            f"{len(cut):,} lose over a quarter of their area to cropping. Choose another --size, "
            "or --resize pad.",
        )
    if height % 2 or width % 2:
        yield Finding(
            "note",
            f"An MP4 has even sides: samples of {height}x{width} get another row or column. "
            "Choose an even --size.",
        )


def _cut(one: Header, height: int, width: int) -> float:
    """The share of a frame's area that cropping removes."""
    scale = min(one.height / height, one.width / width)
    return 1 - scale * scale * height * width / (one.height * one.width)


def _rates(modality: VideoModality, good: Sequence[VideoLook]) -> Iterator[Finding]:
    fps = modality.fps
    shown = commonest(
        f"{look.header.rate:.4g} frames/s" if look.header.rate else "frames without a rate"
        for look in good
    )
    yield Finding("ok", f"rates: {shown}; trained at {fps:.4g} frames/s")
    if slow := [look for look in good if 0 < look.header.rate < (1 - SAME) * fps]:
        lowest = min(look.header.rate for look in slow)
        yield Finding(
            "warning",
            f"slower than {fps:.4g} frames/s: {some_names(look.item for look in slow)}. Leave "
            f"them out, or train all at --fps {lowest:.4g}: their frames repeat, and a model "
            "learns that they stand still.",
        )


def _lengths(modality: VideoModality, good: Sequence[VideoLook]) -> Iterator[Finding]:
    lengths, part = np.asarray([look.frames for look in good]), modality.frames
    low, middle, high = np.quantile(lengths, [0, 0.5, 1])
    total = _time(float(lengths.sum()) / modality.fps)
    yield Finding(
        "ok",
        f"lengths from {low:.0f} to {high:.0f} frames, median {middle:.0f}, {total} in all; "
        f"trained on {part} at a time ({_time(part / modality.fps)})",
    )
    padding = 1 - float(np.minimum(lengths, part).mean()) / part
    if padding > PADDED:
        better = max(2, math.ceil(float(np.quantile(lengths, 0.9))))
        text = (
            f"{padding:.0%} of what is trained on would be padding, since most videos have fewer "
            f"than {part} frames."
        )
        yield Finding("note", f"{text} Faster: --frames {better}." if better < part else text)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _channels(modality: VideoModality, good: Sequence[VideoLook]) -> Iterator[Finding]:
    shown = commonest(look.header.channels for look in good)
    yield Finding(
        "ok", f"stored as {shown}; trained as {'grey' if modality.channels == 1 else 'rgb'}"
    )
    if modality.channels == 3 and not any(look.coloured for look in good):
        yield Finding(
            "note", "None of them shows a colour: --channels grey trains faster and loses nothing."
        )


def _motion(good: Sequence[VideoLook]) -> Iterator[Finding]:
    if still := [look for look in good if look.motion < STILL]:
        yield Finding(
            "warning",
            f"next to nothing moves: {some_names(look.item for look in still)}. Leave them out, "
            "or a model learns to stand still.",
        )
    else:
        yield Finding("ok", "something moves in all of them")
