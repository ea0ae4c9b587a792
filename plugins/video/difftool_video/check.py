"""What a person should know of a folder of videos before training on it."""

from __future__ import annotations

import hashlib
import math
import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from difftool import (
    DataError,
    Finding,
    Item,
    commonest,
    data_root,
    evenly,
    find_columns,
    find_duplicates,
    find_size,
    find_unreadable,
    parallel,
    remarks,
    short_name,
)
from difftool_image.resize import smaller

from .decode import Header, header
from .measure import COLOURED
from .retime import SAME

if TYPE_CHECKING:
    from .modality import VideoModality

SAMPLE = 5000
"""Videos looked at, whole; folders beyond it are sampled evenly."""

STILL = 0.5  # of 255: mean change from frame to frame under which nothing is said to move
PADDED = 0.3  # share of what is trained on
CUT = 0.25  # share of a frame's area that cropping takes
ENDS_EARLY = re.compile("damaged|cut short")
"""What is said of a video that is not whole."""

UNKNOWN = Header(1, 1, 0.0, 0.0, "")


@dataclass(frozen=True, slots=True)
class Look:
    """One video, decoded once. ``bad`` says why it cannot be; the rest is empty then.

    Attributes:
        frames: as it will be trained on.
        motion: mean change of a value from frame to frame, of 255.
        coloured: whether any frame shows a colour.
        said: what training would remark on.
    """

    item: Item
    bad: str = ""
    header: Header = UNKNOWN
    digest: bytes = b""
    frames: int = 0
    motion: float = 0.0
    coloured: bool = False
    said: tuple[str, ...] = ()


def findings(modality: VideoModality, items: Sequence[Item]) -> Iterator[Finding]:
    """The report, line by line; the last one proposes what to do."""
    some = evenly(items, SAMPLE)
    yield find_size(len(items), len(some))
    try:
        modality = modality.fit(items)
    except DataError as error:
        yield Finding("error", str(error))
        return
    looks = parallel(lambda item: _look(modality, item), some)
    alone = any(look.frames > modality.frames for look in looks)
    yield from (faults := list(find_unreadable([look.bad for look in looks if look.bad], len(looks), alone)))
    if not (good := [look for look in looks if not look.bad]):
        return
    if numbered := [look for look in good if look.item.path.is_dir()]:
        yield Finding("note", f"numbered pictures, each folder of them taken for one clip: {_some(numbered)}")
    yield from _sizes(modality, good)
    yield from _rates(modality, good)
    yield from _lengths(modality, good)
    yield from _channels(modality, good)
    yield from _motion(good)
    yield from _remarks(good)
    yield from find_duplicates((look.item, look.digest) for look in good)
    yield from find_columns(items)
    if not any(fault.level == "error" for fault in faults):
        yield _proposal(modality, items)


def _look(modality: VideoModality, item: Item) -> Look:
    try:
        stored = header(item.path)
        with remarks() as said:
            x = modality.read(item)
    except (DataError, OSError) as error:
        return Look(item, bad=str(error))
    return Look(
        item,
        header=stored,
        digest=hashlib.blake2b(np.ascontiguousarray(x).data, digest_size=16).digest(),
        frames=len(x),
        motion=_change(x),
        coloured=any(_spread(frame) > COLOURED for frame in x),
        said=tuple(said),
    )


def _change(x: np.ndarray) -> float:
    """Mean change from frame to frame of ``[t, c, h, w]``; taken frame by frame, since a video may be larger than memory."""
    changes = [float(np.abs(after - before.astype(np.int16)).mean()) for before, after in pairwise(x)]
    return sum(changes) / len(changes) if changes else math.inf


def _spread(frame: np.ndarray) -> int:
    return int((frame.max(0) - frame.min(0)).max())


def _some(looks: Sequence[Look], n: int = 5) -> str:
    """How many there are, and the names of the first."""
    more = f" and {len(looks) - n:,} more" if len(looks) > n else ""
    return f"{len(looks):,} ({', '.join(short_name(look.item) for look in looks[:n])}{more})"


def _sizes(modality: VideoModality, good: Sequence[Look]) -> Iterator[Finding]:
    height, width = modality.size
    shown = commonest(f"{look.header.height}x{look.header.width}" for look in good)
    yield Finding("ok", f"sizes, height x width: {shown}; trained at {height}x{width}")
    how = modality.options.resize
    if low := [look for look in good if smaller((look.header.height, look.header.width), height, width, how)]:
        yield Finding(
            "warning", f"smaller than {height}x{width} and enlarged: {_some(low)}. Ask for a smaller --size: their blur is learned."
        )
    cut = [look for look in good if how == "crop" and _cut(look.header, height, width) > CUT]
    if len(cut) > len(good) / 20:
        yield Finding("note", f"{len(cut):,} lose over a quarter of their area to cropping. Choose another --size, or --resize pad.")
    if height % 2 or width % 2:
        yield Finding("note", f"An MP4 has even sides: samples of {height}x{width} get another row or column. Choose an even --size.")


def _cut(one: Header, height: int, width: int) -> float:
    """The share of its area that a frame loses to cropping."""
    scale = min(one.height / height, one.width / width)
    return 1 - scale * scale * height * width / (one.height * one.width)


def _rates(modality: VideoModality, good: Sequence[Look]) -> Iterator[Finding]:
    fps = modality.fps
    shown = commonest(f"{look.header.rate:.4g} frames/s" if look.header.rate else "frames without a rate" for look in good)
    yield Finding("ok", f"rates: {shown}; trained at {fps:.4g} frames/s")
    if slow := [look for look in good if 0 < look.header.rate < (1 - SAME) * fps]:
        lowest = min(look.header.rate for look in slow)
        yield Finding(
            "warning",
            f"slower than {fps:.4g} frames/s: {_some(slow)}. Leave them out, or train all at --fps {lowest:.4g}: "
            "their frames repeat, and a model learns that they stand still.",
        )


def _lengths(modality: VideoModality, good: Sequence[Look]) -> Iterator[Finding]:
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
        text = f"{padding:.0%} of what is trained on would be padding, since most videos have fewer than {part} frames."
        yield Finding("note", f"{text} Faster: --frames {better}." if better < part else text)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def _channels(modality: VideoModality, good: Sequence[Look]) -> Iterator[Finding]:
    shown = commonest(look.header.channels for look in good)
    yield Finding("ok", f"stored as {shown}; trained as {'grey' if modality.channels == 1 else 'rgb'}")
    if modality.channels == 3 and not any(look.coloured for look in good):
        yield Finding("note", "None of them shows a colour: --channels grey trains faster and loses nothing.")


def _motion(good: Sequence[Look]) -> Iterator[Finding]:
    if still := [look for look in good if look.motion < STILL]:
        yield Finding("warning", f"next to nothing moves: {_some(still)}. Leave them out, or a model learns to stand still.")
    else:
        yield Finding("ok", "something moves in all of them")


def _remarks(good: Sequence[Look]) -> Iterator[Finding]:
    """What reading remarked on, each kind once: texts that differ in their numbers only are of one kind."""
    kinds: dict[str, list[tuple[Look, str]]] = defaultdict(list)
    for look in good:
        for text in look.said:
            kinds[re.sub(r"[\d.,]+", "#", text)].append((look, text))
    for kind, found in kinds.items():
        level = "warning" if ENDS_EARLY.search(kind) else "note"
        first = found[0][1] if len({text for _, text in found}) == 1 else f"such as {found[0][1]}"
        yield Finding(level, f"{_some([look for look, _ in found])}: {first}")


def _proposal(modality: VideoModality, items: Sequence[Item]) -> Finding:
    root = shlex.quote(str(data_root(items)))
    part = f"; --frames and --fps choose another length than {modality.frames} frames at {modality.fps:.4g} frames/s"
    return Finding("ok", f"to train: difftool train -m video {root} --recipe tiny (a CPU), or --recipe small (a GPU){part}")
