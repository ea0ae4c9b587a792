"""What a person should know of any folder before training on it: the lines that the checks of all modalities share."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..modality import Finding, Item
from .cache import too_many
from .columns import AUTOMATIC, text_of

In = TypeVar("In")
Out = TypeVar("Out")

BAD = 0.1
"""Share of unreadable files above which training refuses many of them, unless it is told otherwise (``data.max_bad``)."""


def evenly(items: Sequence[Item], n: int) -> list[Item]:
    """At most ``n`` of the items, spread over all of them."""
    return list(items) if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


def parallel(function: Callable[[In], Out], values: Iterable[In]) -> list[Out]:
    """The function of every value, in order, on a few threads: for reading files, where the work is done outside Python."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def commonest(values: Iterable[str], n: int = 4) -> str:
    """The commonest values and how often each occurs, in words."""
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value} ({count:,})" for value, count in counts[:n])
    return shown + (f" and {len(counts) - n:,} more" if len(counts) > n else "")


def short_name(item: Item) -> str:
    """The file's name and that of its folder."""
    return "/".join(item.path.parts[-2:])


def data_root(items: Iterable[Item]) -> Path:
    """The folder that was scanned, as far as the items tell."""
    return Path(os.path.commonpath([_above(item) for item in items]))


def _above(item: Item) -> Path:
    folder, below = item.path.parent, f"/{item.columns.get('class', '')}"
    return folder.parents[below.count("/") - 1] if below != "/" and folder.as_posix().endswith(below) else folder


def find_size(total: int, looked_at: int) -> Finding:
    """How much there is."""
    return Finding(
        "ok", f"{total:,} file{'s' * (total != 1)}" + (f" (looked at {looked_at:,} of them, evenly spread)" if looked_at < total else "")
    )


def find_unreadable(reasons: Sequence[str], total: int, alone: bool = False) -> Iterator[Finding]:
    """What would be skipped, every one named; an error where it is so much, or all, that training refuses.

    Args:
        reasons: why each of the bad ones is bad, naming it.
        total: number of files, bad and good.
        alone: one good one is enough, since random parts of it are trained on.
    """
    good = total - len(reasons)
    if reasons:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        level = "error" if too_many(len(reasons), total, BAD) or not good else "warning"
        yield Finding(level, f"{len(reasons):,} ({len(reasons) / total:.1%}) would be skipped:\n{listed}")
    else:
        yield Finding("ok", "all of them can be used")
    if good == 0:
        yield Finding("error", "None of them can be used, so there is nothing to train on.")
    if good == 1 and not alone:
        yield Finding("error", "Only one can be used, and a model needs at least 2. Add some.")


def find_duplicates(digests: Iterable[tuple[Item, bytes]]) -> Iterator[Finding]:
    """Which files are there more than once, by a hash of what they hold."""
    groups: dict[bytes, list[Item]] = defaultdict(list)
    for item, digest in digests:
        groups[digest].append(item)
    same = [group for group in groups.values() if len(group) > 1]
    if not same:
        yield Finding("ok", "no file is there twice")
        return
    total, extra = sum(map(len, groups.values())), sum(len(group) - 1 for group in same)
    shown = "; ".join(" = ".join(short_name(item) for item in group[:3]) for group in same[:3])
    text = f"{extra:,} are copies of others ({shown}{'; …' if len(same) > 3 else ''}). They count double; remove them unless that is meant."
    yield Finding("warning" if extra > total / 100 else "note", text)
    if torn := sum(len({item.columns.get("class") for item in group}) > 1 for group in same):
        yield Finding("warning", f"{torn:,} of these {'are' if torn > 1 else 'is'} in several classes at once.")


def find_columns(items: Sequence[Item]) -> Iterator[Finding]:
    """What could be a condition, and whether its classes are in balance."""
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
        yield Finding("note", f"column {name}: the same for all{' that have it' * bool(missing)}{missing}, so it says nothing")
    elif all(isinstance(value, float) for value in values) and len(counts) > min(20, total // 2):
        low, high = min(map(float, values)), max(map(float, values))
        use = f"can be a condition: --set conditions.{name}.use=number"
        yield Finding("ok", f"column {name}: numbers from {low:g} to {high:g}{missing}; {use}")
    elif len(counts) <= min(1000, total // 2):
        yield from _classes(name, counts, missing)
    else:
        use = f"; too few of each to be classes, unless by --set conditions.{name}.use=label" if name in AUTOMATIC else ""
        yield Finding("ok", f"column {name}: text, {len(counts):,} different{missing}{use}")


def _classes(name: str, counts: Counter[str | float], missing: str) -> Iterator[Finding]:
    (most, many), (least, few) = counts.most_common(1)[0], counts.most_common()[-1]
    use = "" if name in AUTOMATIC else f"; can be a condition: --set conditions.{name}.use=label"
    shown = f"from {few:,} ({text_of(least)}) to {many:,} ({text_of(most)}) of each" if many != few else f"{many:,} of each"
    yield Finding("ok", f"column {name}: {len(counts):,} classes, {shown}{missing}{use}")
    if many > 10 * few:
        ratio = f"{text_of(most)} is {many / few:.0f} times as common as {text_of(least)}"
        yield Finding("warning", f"column {name} is out of balance: {ratio}, which the model will seldom see.")
