"""Lines of ``difftool data check`` that all kinds of data share. ``inspect`` combines them."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..modality import Finding, Item
from ..names import spelled
from ..shell import set_flag
from .cache import too_many
from .columns import AUTOMATIC, text_of

BAD = 0.1
"""Share of unreadable files that training accepts by default (``data.max_bad``)."""


def commonest(values: Iterable[str], n: int = 4) -> str:
    """The ``n`` most common values with their counts, as text."""
    counts = Counter(values).most_common()
    shown = ", ".join(f"{value} ({count:,})" for value, count in counts[:n])
    return shown + (f" and {len(counts) - n:,} more" if len(counts) > n else "")


def short_name(item: Item) -> str:
    """Folder and file name of an item, with the number of its part unless that is the first."""
    return "/".join(item.path.parts[-2:]) + (f" (part {item.part + 1})" if item.part else "")


def some_names(items: Iterable[Item], n: int = 5) -> str:
    """The number of items, and the names of the first ``n``."""
    items = list(items)
    more = f" and {len(items) - n:,} more" if len(items) > n else ""
    return f"{len(items):,} ({', '.join(short_name(item) for item in items[:n])}{more})"


def data_root(items: Iterable[Item]) -> Path:
    """The folder that was scanned, inferred from the items; the file if all are in one file."""
    items = list(items)
    paths = {item.path for item in items}
    return (
        paths.pop()
        if len(paths) == 1
        else Path(os.path.commonpath([_above(item) for item in items]))
    )


def _above(item: Item) -> Path:
    folder, below = item.path.parent, f"/{item.columns.get('class', '')}"
    return (
        folder.parents[below.count("/") - 1]
        if below != "/" and spelled(folder.as_posix()).endswith(below)
        else folder
    )


def find_size(items: Sequence[Item], looked_at: int) -> Finding:
    """The number of examples and of files."""
    total, files = len(items), len({item.path for item in items})
    text = f"{files:,} file{'s' * (files != 1)}"
    if files < total:
        text = f"{total:,} examples in {text}"
    return Finding(
        "ok",
        text + (f" (inspected {looked_at:,} of them, evenly spread)" if looked_at < total else ""),
    )


def find_unreadable(reasons: Sequence[str], total: int, alone: bool = False) -> Iterator[Finding]:
    """The examples that training would skip, by name; an error if training would refuse that many.

    Args:
        reasons: for each bad example, a sentence that names it and says what is wrong.
        total: number of examples, bad and good.
        alone: whether one good example is enough, because training takes random crops of it.
    """
    good = total - len(reasons)
    if reasons:
        listed = "\n".join(f"  {reason}" for reason in reasons)
        level = "error" if too_many(len(reasons), total, BAD) or not good else "warning"
        yield Finding(
            level, f"{len(reasons):,} ({len(reasons) / total:.1%}) would be skipped:\n{listed}"
        )
    else:
        yield Finding("ok", "all of them can be used")
    if good == 0:
        yield Finding("error", "None of them can be used, so there is nothing to train on.")
    if good == 1 and not alone:
        yield Finding("error", "Only one example can be used. Add more: a model needs at least 2.")


def find_remarks(
    remarks: Iterable[tuple[Item, Sequence[str]]], grave: str = ""
) -> Iterator[Finding]:
    """The remarks from reading, one line per kind; texts that differ only in numbers are one kind.

    Args:
        grave: a regular expression; kinds that match it are warnings instead of notes.
    """
    kinds: dict[str, list[tuple[Item, str]]] = defaultdict(list)
    for item, texts in remarks:
        for text in texts:
            kinds[re.sub(r"\d[\d.,\s]*", "#", text)].append((item, text))
    for kind, found in kinds.items():
        level = "warning" if grave and re.search(grave, kind) else "note"
        first = found[0][1] if len({text for _, text in found}) == 1 else f"such as {found[0][1]}"
        yield Finding(level, f"{some_names(item for item, _ in found)}: {first}")


def find_duplicates(digests: Iterable[tuple[Item, bytes]]) -> Iterator[Finding]:
    """The examples that occur more than once, found by a hash of their content."""
    groups: dict[bytes, list[Item]] = defaultdict(list)
    for item, digest in digests:
        groups[digest].append(item)
    same = [group for group in groups.values() if len(group) > 1]
    if not same:
        yield Finding("ok", "no duplicates")
        return
    total, extra = sum(map(len, groups.values())), sum(len(group) - 1 for group in same)
    shown = "; ".join(" = ".join(short_name(item) for item in group[:3]) for group in same[:3])
    text = (
        f"{extra:,} are copies of others ({shown}{'; …' if len(same) > 3 else ''}). "
        "Remove them, unless the model should see them more often than the rest."
    )
    yield Finding("warning" if extra > total / 100 else "note", text)
    if torn := sum(len({item.columns.get("class") for item in group}) > 1 for group in same):
        yield Finding(
            "warning",
            f"{torn:,} of these {'are' if torn > 1 else 'is'} in several classes at once.",
        )


def find_columns(items: Sequence[Item]) -> Iterator[Finding]:
    """The columns that can become conditions, and whether their classes are balanced."""
    columns = dict.fromkeys(name for item in items for name in item.columns)
    for name in columns:
        values = [item.columns[name] for item in items if item.columns.get(name, "") != ""]
        yield from _column(name, values, len(items))
    if not columns:
        yield Finding(
            "note",
            "There are no classes, captions or metadata, so the model will be unconditional. Put "
            "the files into subfolders to get classes.",
        )


def _column(name: str, values: Sequence[str | float], total: int) -> Iterator[Finding]:
    if not name:
        yield Finding(
            "note",
            "a column has no name, as an index that a program wrote; to use it, give it one",
        )
        return
    counts = Counter(values)
    missing = f", {total - len(values):,} without" if len(values) < total else ""
    if len(counts) < 2:
        yield Finding(
            "note",
            f"column {name}: one value for all{' that have it' * bool(missing)}{missing}, so it "
            "carries no information",
        )
    elif all(isinstance(value, float) for value in values) and len(counts) > min(20, total // 2):
        low, high = min(map(float, values)), max(map(float, values))
        use = f"can be a condition: {_use(name, 'number')}"
        yield Finding("ok", f"column {name}: numbers from {low:g} to {high:g}{missing}; {use}")
    elif len(counts) <= min(1000, total // 2):
        yield from _classes(name, counts, missing)
    else:
        use = (
            f"; too few examples of each for classes, unless you pass {_use(name, 'label')}"
            if name in AUTOMATIC
            else ""
        )
        yield Finding("ok", f"column {name}: text, {len(counts):,} different values{missing}{use}")


def _use(name: str, conditioner: str) -> str:
    return set_flag(("conditions", name, "use"), conditioner)


def _one_line(value: str | float) -> str:
    """A value in a line of its own, whatever line breaks are in it."""
    return repr(text)[1:-1] if len((text := text_of(value)).splitlines()) > 1 else text


def _classes(name: str, counts: Counter[str | float], missing: str) -> Iterator[Finding]:
    (most, many), (least, few) = counts.most_common(1)[0], counts.most_common()[-1]
    use = "" if name in AUTOMATIC else f"; can be a condition: {_use(name, 'label')}"
    shown = (
        f"from {few:,} ({_one_line(least)}) to {many:,} ({_one_line(most)}) of each"
        if many != few
        else f"{many:,} of each"
    )
    yield Finding("ok", f"column {name}: {len(counts):,} classes, {shown}{missing}{use}")
    if many > 10 * few:
        ratio = f"{_one_line(most)} is {many / few:.0f} times as common as {_one_line(least)}"
        yield Finding(
            "warning", f"column {name} is imbalanced: {ratio}, which the model will rarely see."
        )
