"""What a person should know of a folder of pictures before training on it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    short_name,
)

from .decode import header
from .measure import SAMPLE
from .resize import smaller

if TYPE_CHECKING:
    from .modality import ImageModality

FLAT = 2.0  # standard deviation, of 255, under which a picture shows nothing


@dataclass(frozen=True, slots=True)
class Look:
    """One picture, decoded once. ``bad`` says why it cannot be; the rest is empty then."""

    item: Item
    bad: str = ""
    size: tuple[int, int] = (0, 0)
    channels: str = ""
    digest: bytes = b""
    spread: float = 0.0
    coloured: bool = False


def findings(modality: ImageModality, items: Sequence[Item]) -> Iterator[Finding]:
    """The report, line by line; the last one proposes what to do."""
    some = evenly(items, SAMPLE)
    yield find_size(len(items), len(some))
    try:
        modality = modality.fit(items)
    except DataError as error:
        yield Finding("error", str(error))
        return
    looks = parallel(lambda item: _look(modality, item), some)
    yield from (faults := list(find_unreadable([look.bad for look in looks if look.bad], len(looks))))
    if not (good := [look for look in looks if not look.bad]):
        return
    yield from _sizes(modality, good)
    yield from _channels(modality, good)
    yield from find_duplicates((look.item, look.digest) for look in good)
    yield from _flat(good)
    yield from find_columns(items)
    if not any(fault.level == "error" for fault in faults):
        yield _proposal(modality, items)


def _look(modality: ImageModality, item: Item) -> Look:
    try:
        data = item.path.read_bytes()
        height, width, channels = header(item.path, data)
        array = modality.read_bytes(item, data)
    except (DataError, OSError) as error:
        return Look(item, bad=str(error))
    colours = array[:3] if len(array) >= 3 else array[:1]
    coloured = bool((np.ptp(colours, axis=0) > 8).any()) if len(colours) == 3 else False
    digest, spread = hashlib.blake2b(data, digest_size=16).digest(), float(array.std(axis=(1, 2)).max())
    return Look(item, "", (height, width), channels, digest, spread, coloured)


def _sizes(modality: ImageModality, good: Sequence[Look]) -> Iterator[Finding]:
    height, width = modality.size
    sizes = commonest("{}x{}".format(*look.size) for look in good)
    yield Finding("ok", f"sizes, height x width: {sizes}; trained at {height}x{width}")
    low = [look for look in good if smaller(look.size, height, width, modality.options.resize)]
    if low:
        yield Finding(
            "warning",
            f"{len(low):,} are smaller than {height}x{width} and will be enlarged, such as {short_name(low[0].item)}: their blur is learned. "
            "Ask for a smaller --size, or leave them out with --small skip.",
        )
    if modality.options.resize == "crop":
        cut = [look for look in good if _cut(look.size, height, width) > 0.25]
        if len(cut) > len(good) / 20:
            yield Finding("note", f"{len(cut):,} lose over a quarter of their area to cropping. Choose another --size, or --resize pad.")


def _cut(size: tuple[int, int], height: int, width: int) -> float:
    scale = min(size[0] / height, size[1] / width)
    return 1 - scale * scale * height * width / (size[0] * size[1])


def _channels(modality: ImageModality, good: Sequence[Look]) -> Iterator[Finding]:
    yield Finding("ok", f"channels: {commonest(look.channels for look in good)}; trained as {modality.channels}")
    if modality.channels == "rgb" and not any(look.coloured for look in good):
        yield Finding("note", "They are stored in colour and show none: --channels grey trains faster and loses nothing.")
    if {look.channels for look in good} - {"grey", "rgb"} and modality.channels in ("grey", "rgb"):
        yield Finding("note", f"Transparency is not kept: it becomes {modality.options.background}. To keep it: --channels rgba.")


def _flat(good: Sequence[Look]) -> Iterator[Finding]:
    flat = [look for look in good if look.spread < FLAT]
    if flat:
        shown = ", ".join(short_name(look.item) for look in flat[:3])
        yield Finding("warning", f"{len(flat):,} are of one colour all over and teach nothing, such as {shown}.")


def _proposal(modality: ImageModality, items: Sequence[Item]) -> Finding:
    root = shlex.quote(str(data_root(items)))
    return Finding("ok", f"to train: difftool train -m image {root} --recipe tiny (a CPU), or --recipe small (a GPU)")
