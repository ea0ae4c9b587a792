"""What a person should know of a folder of pictures before training on it."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from difftool import DataError, Finding, Item

from .decode import header
from .measure import SAMPLE, common, evenly
from .resize import smaller

if TYPE_CHECKING:
    from .modality import ImageModality

BAD = 0.1  # share of unreadable pictures above which training refuses
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
    part = "" if len(some) == len(items) else f" (looked at {len(some):,} of them, evenly spread)"
    yield Finding("ok", f"{len(items):,} pictures{part}")
    try:
        modality = modality.fit(items)
    except DataError as error:
        yield Finding("error", str(error))
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        looks = list(pool.map(lambda item: _look(modality, item), some))
    good = [look for look in looks if not look.bad]
    yield from _unreadable(looks)
    if not good:
        yield Finding("error", "None of them can be read, so there is nothing to train on.")
        return
    yield from _sizes(modality, good)
    yield from _channels(modality, good)
    yield from _duplicates(good)
    yield from _flat(good)
    yield from _columns(items)
    if len(good) >= (1 - BAD) * len(looks):
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


def _unreadable(looks: Sequence[Look]) -> Iterator[Finding]:
    bad = [look for look in looks if look.bad]
    if not bad:
        yield Finding("ok", "all of them can be read")
        return
    share = len(bad) / len(looks)
    first = " ".join(look.bad for look in bad[:5]) + (f" … and {len(bad) - 5:,} more" if len(bad) > 5 else "")
    yield Finding("error" if share > BAD else "warning", f"{len(bad):,} ({share:.1%}) would be skipped: {first}")


def _sizes(modality: ImageModality, good: Sequence[Look]) -> Iterator[Finding]:
    height, width = modality.size
    yield Finding("ok", f"sizes, height x width: {common(look.size for look in good)}; trained at {height}x{width}")
    low = [look for look in good if smaller(look.size, height, width, modality.options.resize)]
    if low:
        yield Finding(
            "warning",
            f"{len(low):,} are smaller than {height}x{width} and will be enlarged, such as {_name(low[0].item)}: their blur is learned. "
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
    counts = Counter(look.channels for look in good)
    yield Finding("ok", f"channels: {', '.join(f'{name} ({n:,})' for name, n in counts.most_common())}; trained as {modality.channels}")
    if modality.channels == "rgb" and not any(look.coloured for look in good):
        yield Finding("note", "They are stored in colour and show none: --channels grey trains faster and loses nothing.")
    if set(counts) - {"grey", "rgb"} and modality.channels in ("grey", "rgb"):
        yield Finding("note", f"Transparency is not kept: it becomes {modality.options.background}. To keep it: --channels rgba.")


def _duplicates(good: Sequence[Look]) -> Iterator[Finding]:
    groups: dict[bytes, list[Item]] = defaultdict(list)
    for look in good:
        groups[look.digest].append(look.item)
    same = [group for group in groups.values() if len(group) > 1]
    if not same:
        yield Finding("ok", "no file is there twice")
        return
    extra = sum(len(group) - 1 for group in same)
    shown = "; ".join(" = ".join(_name(item) for item in group[:3]) for group in same[:3])
    text = f"{extra:,} are copies of others ({shown}{'; …' if len(same) > 3 else ''}). They count double; remove them unless that is meant."
    yield Finding("warning" if extra > len(good) / 100 else "note", text)
    if torn := sum(len({item.columns.get("class") for item in group}) > 1 for group in same):
        yield Finding("warning", f"{torn:,} of these pictures are in several classes at once.")


def _flat(good: Sequence[Look]) -> Iterator[Finding]:
    flat = [look for look in good if look.spread < FLAT]
    if flat:
        shown = ", ".join(_name(look.item) for look in flat[:3])
        yield Finding("warning", f"{len(flat):,} are of one colour all over and teach nothing, such as {shown}.")


def _columns(items: Sequence[Item]) -> Iterator[Finding]:
    columns = dict.fromkeys(name for item in items for name in item.columns)
    for name in columns:
        values = [item.columns[name] for item in items if item.columns.get(name, "") != ""]
        yield from _column(name, values, len(items))
    if not columns:
        yield Finding("note", "No classes, captions or metadata: the model will not be conditional. Subfolders make classes.")


def _column(name: str, values: Sequence[str | float], total: int) -> Iterator[Finding]:
    counts = Counter(values)
    missing = f", {total - len(values):,} without" if len(values) < total else ""
    if len(counts) < 2:
        yield Finding("note", f"column {name}: the same for all, so it says nothing")
    elif all(isinstance(value, float) for value in values) and len(counts) > 20:
        low, high = min(map(float, values)), max(map(float, values))
        use = f"can be a condition: --set conditions.{name}.use=number"
        yield Finding("ok", f"column {name}: numbers from {low:g} to {high:g}{missing}; {use}")
    elif len(counts) <= min(1000, total // 2):
        yield from _classes(name, counts, missing)
    else:
        yield Finding("ok", f"column {name}: text, {len(counts):,} different{missing}")


def _classes(name: str, counts: Counter[str | float], missing: str) -> Iterator[Finding]:
    (most, many), (least, few) = counts.most_common(1)[0], counts.most_common()[-1]
    use = "" if name in ("class", "label") else f"; can be a condition: --set conditions.{name}.use=label"
    shown = f"from {few:,} ({_text(least)}) to {many:,} ({_text(most)}) of each" if many != few else f"{many:,} of each"
    yield Finding("ok", f"column {name}: {len(counts):,} classes, {shown}{missing}{use}")
    if many > 10 * few:
        ratio = f"{_text(most)} is {many / few:.0f} times as common as {_text(least)}"
        yield Finding("warning", f"column {name} is out of balance: {ratio}, which the model will seldom see.")


def _text(value: str | float) -> str:
    return f"{value:g}" if isinstance(value, float) else value


def _proposal(modality: ImageModality, items: Sequence[Item]) -> Finding:
    root = _root(items)
    return Finding("ok", f"to train: difftool train -m image {shlex.quote(str(root))} --recipe tiny (a CPU), or --recipe small (a GPU)")


def _root(items: Iterable[Item]) -> Path:
    """The folder that was scanned, as far as the items tell."""
    return Path(os.path.commonpath([_above(item) for item in items]))


def _above(item: Item) -> Path:
    folder, below = item.path.parent, f"/{item.columns.get('class', '')}"
    return folder.parents[below.count("/") - 1] if below != "/" and folder.as_posix().endswith(below) else folder


def _name(item: Item) -> str:
    return "/".join(item.path.parts[-2:])
