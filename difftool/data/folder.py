"""scan_folder: a user's folder -> items, with columns from subfolders, captions and metadata."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DataError
from ..modality import Item
from ..names import spelled, whole
from ..plain import parse_json
from .layout import is_own_folder, sheets_of, split_of
from .remark import remark
from .text import read_text

METADATA = ("metadata.csv", "metadata.jsonl")
"""Names of the tables that are read; upper and lower case do not matter."""
TABLES = (".csv", ".tsv", ".json", ".jsonl", ".parquet", ".xlsx")
FILE_NAME = "file_name"
CLASS = "class"
LABEL = "label"
CAPTION = "caption"
CAPTION_SUFFIX = ".txt"

Row = Mapping[str, str | float]


def scan_folder(
    path: Path | str,
    suffixes: Sequence[str],
    whole: Callable[[Sequence[str]], bool] | None = None,
    installable: Mapping[str, str] | None = None,
) -> list[Item]:
    """Every file below ``path`` with one of these suffixes, with its columns, in natural order.

    Hidden files and folders are skipped, and so are broken links, links to a folder above, and runs
    and samples of difftool. If the top folders are called train, val and test, only the examples in
    train are used, and its subfolders are the classes. ``remarks`` lists what is skipped. An item
    has these columns; a later source replaces an earlier one:

    - ``class``: its folder, relative to ``path``. Files at the top have none. Neither have files
      with a ``label`` in the metadata, because their folders mean something else.
    - ``caption``: the text of the ``.txt`` file of the same name in the same folder.
    - the columns of ``metadata.csv`` or ``metadata.jsonl`` in any folder, whose ``file_name`` is
      relative to that folder; if two tables describe one file, the nearer one wins.

    Args:
        path: a folder, or one file. Nothing is ever written there.
        suffixes: such as ``(".csv", ".tsv")``; upper and lower case do not matter.
        whole: whether a folder with these file names is one example. Such a folder is not scanned
            further, its ``class`` is the folder above, and metadata uses its name.
        installable: suffix -> the command that installs what reads it, for the remark on what was
            not read.

    Raises:
        DataError: there is no usable file, or the metadata contradicts the files.
    """
    path, suffixes = Path(path), tuple(suffix.lower() for suffix in suffixes)
    tree = _walk(path, whole) if path.is_dir() else _single(path)
    files = (name for name in tree.wanted if _suffix(name) in suffixes and not _is_metadata(name))
    everything = sorted((*files, *tree.whole), key=natural)
    if not everything:
        raise DataError(_nothing(path, tree, suffixes))
    captions = {
        spelled(_stem(name)): name
        for name in tree.files
        if _suffix(name) == CAPTION_SUFFIX and CAPTION_SUFFIX not in suffixes
    }
    rows = _metadata(tree, everything, suffixes)
    stems = {name: spelled(name if name in tree.whole else _stem(name)) for name in everything}
    _remark_on_unread(
        tree,
        {*everything, *(captions[stem] for stem in stems.values() if stem in captions)},
        suffixes,
        installable or {},
    )
    split, names = _training_split(everything)
    return [
        Item(
            tree.root / name,
            _joined(
                _folder_columns(tree.root, name, captions.get(stems[name]), split),
                rows.get(name, {}),
            ),
        )
        for name in names
    ]


def _training_split(names: list[str]) -> tuple[str, list[str]]:
    """The prefix of the training split and its names; "" and all names without splits."""
    tops = Counter(name.partition("/")[0] if "/" in name else "" for name in names)
    splits = {top: split_of(top) for top in tops}
    train = [top for top, split in splits.items() if split == "train"]
    if len(train) != 1 or len(tops) < 2 or None in splits.values():
        return "", names
    kept = [name for name in names if name.startswith(f"{train[0]}/")]
    held_out = ", ".join(f"{top} ({count:,})" for top, count in tops.items() if top != train[0])
    remark(
        f"the folders are splits, not classes: training uses {train[0]} ({len(kept):,}); held "
        f"out: {held_out}"
    )
    return f"{train[0]}/", kept


def _remark_on_unread(
    tree: _Tree, read: set[str], suffixes: Iterable[str], installable: Mapping[str, str]
) -> None:
    """Remark on the files that were not read, by suffix, and say how to use them."""
    if tree.own:
        shown = ", ".join(tree.own[:3]) + (", …" if len(tree.own) > 3 else "")
        remark(
            f"{len(tree.own):,} folders with runs or samples of difftool were not read as data: "
            f"{shown}"
        )
    rest = [
        name
        for name in tree.files
        if name in tree.wanted and name not in read and not _is_metadata(name)
    ]
    if tables := [name for name in rest if _suffix(name) in TABLES]:
        remark(
            f"{tables[0]} is not read as a table: to use its columns, rename it to {METADATA[0]} "
            f"or {METADATA[1]} and give it a column {FILE_NAME}"
        )
    if counts := Counter(
        _suffix(name) or "without a suffix" for name in rest if name not in tables
    ):
        found = ", ".join(f"{count:,} {suffix}" for suffix, count in counts.most_common(8))
        ways = {way: None for suffix in counts if (way := installable.get(suffix))}
        remark(
            f"not read: {found}. To use them, {''.join(f'{way}; or ' for way in ways)}convert "
            f"them to one of these formats: {' '.join(suffixes)}"
        )


def _is_metadata(name: str) -> bool:
    return name.rpartition("/")[2].lower() in METADATA


def _joined(folder: Row, row: Row) -> dict[str, str | float]:
    """The columns of the folder, replaced by those of the metadata."""
    return {
        **{name: value for name, value in folder.items() if name != CLASS or LABEL not in row},
        **row,
    }


def natural(name: str) -> tuple[Any, ...]:
    """Sort key that puts ``2.dat`` before ``10.dat``; the exact name breaks ties."""
    parts = (re.split(r"(\d+)", part.casefold()) for part in name.split("/"))
    return tuple(
        tuple((0, int(s), "") if s.isdecimal() else (1, 0, s) for s in part if s) for part in parts
    ), name


class _Tree(NamedTuple):
    """Files by their path relative to ``root``, POSIX style.

    Attributes:
        files: all files.
        wanted: the files that the caller asked for.
        whole: folders that are one example each.
        broken: number of broken links.
        own: folders that difftool wrote.
    """

    root: Path
    files: list[str]
    wanted: list[str]
    whole: list[str]
    broken: int = 0
    own: Sequence[str] = ()


def _walk(root: Path, is_whole: Callable[[Sequence[str]], bool] | None) -> _Tree:
    files: list[str] = []
    whole: list[str] = []
    own: list[str] = []
    broken = 0
    pending, links = [""], list[tuple[str, str]]()
    seen = {os.path.realpath(root)}
    while pending or links:
        # Links come last, and only to folders not seen yet, so that a folder keeps its own name.
        if not pending:
            prefix, real = min(links, key=lambda link: natural(link[0]))
            links.remove((prefix, real))
            if real in seen:
                continue
            seen.add(real)
        else:
            prefix = pending.pop()
        entries = list(_entries(root, prefix))
        if prefix and is_own_folder({entry.name for entry in entries}, root / prefix):
            own.append(prefix.removesuffix("/"))
            continue
        if is_whole and is_whole(sorted(entry.name for entry in entries if entry.is_file())):
            _refuse_folders(root / prefix, entries)
            whole.append(prefix.removesuffix("/"))
            continue
        for entry in entries:
            name = prefix + entry.name
            kind = _kind(entry)
            if kind == "folder" and entry.is_symlink():
                links.append((name + "/", os.path.realpath(entry.path)))
            elif kind == "folder":
                seen.add(os.path.realpath(entry.path))
                pending.append(name + "/")
            elif kind == "file":
                files.append(name)
            else:
                broken += entry.is_symlink()
    sheets = {sheet for name in own for sheet in sheets_of(name, files)}
    files = [name for name in files if name not in sheets]
    return _Tree(root, files, files, whole, broken, own)


def _kind(entry: os.DirEntry[str]) -> str:
    """``folder``, ``file``, or "" for neither, such as a link that is broken or leads to itself."""
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except OSError:
        return ""


def _refuse_folders(folder: Path, entries: Iterable[os.DirEntry[str]]) -> None:
    if inner := next((entry.name for entry in entries if entry.is_dir()), None):
        raise DataError(
            f"{folder} has the file names of a single example, but it also holds folders, such as "
            f"{inner}. Move either the files or the folders elsewhere: difftool cannot tell which "
            "of them are the examples."
        )


def _entries(root: Path, prefix: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(root / prefix) as entries:
            yield from (entry for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"The folder {root / prefix} cannot be read. Check its permissions. ({error.strerror})"
        ) from None


def _single(path: Path) -> _Tree:
    """One file, with its caption if it has one."""
    try:
        path.stat()
        names = [entry.name for entry in _entries(path.parent, "")]
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist. Pass a folder of examples, or one file. (The current folder "
            f"is {Path.cwd()}.)"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read. Check the path and its permissions. ({error.strerror})"
        ) from None
    captions = [name for name in names if name == path.with_suffix(CAPTION_SUFFIX).name]
    return _Tree(path.parent, [path.name, *captions], [path.name], [])


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _nothing(path: Path, tree: _Tree, suffixes: Iterable[str]) -> str:
    read = " ".join(suffixes)
    if not path.is_dir():
        return (
            f"{path} does not have a supported format. Pass a file or a folder with these "
            f"formats: {read}."
        )
    if tree.files:
        found = Counter(_suffix(name) or "without a suffix" for name in tree.files)
        shown = ", ".join(f"{count:,} {suffix}" for suffix, count in found.most_common(8))
        return (
            f"Nothing in {path} can be used: it holds {shown}. Convert the files, or pass another "
            f"folder. Supported formats: {read}."
        )
    links = f" ({tree.broken:,} links lead to files that do not exist.)" if tree.broken else ""
    return (
        f"The folder {path} is empty. Put the examples there, or pass another folder. Supported "
        f"formats: {read}.{links}"
    )


def _folder_columns(
    root: Path, name: str, caption: str | None, split: str
) -> dict[str, str | float]:
    columns: dict[str, str | float] = {}
    if folder := name.removeprefix(split).rpartition("/")[0]:
        columns[CLASS] = spelled(folder)
    if caption and (text := _caption(root / caption)):
        columns[CAPTION] = text
    return columns


def _caption(path: Path) -> str:
    """The text beside an example; "" with a remark for one that cannot be read, which must not cost
    the others.
    """
    try:
        return read_text(path).strip()
    except DataError as error:
        remark(f"a caption is left out: {error}")
        return ""


# --- metadata.csv and metadata.jsonl --------------------------------------------------------------


def _metadata(tree: _Tree, names: Sequence[str], suffixes: Collection[str]) -> dict[str, Row]:
    """File name -> its row, from the metadata of every folder, the top one first."""
    found: dict[str, Row] = {}
    known = _Known(names)
    tables = sorted((name.rpartition("/")[0], name) for name in tree.files if _is_metadata(name))
    for folder, group in groupby(tables, key=itemgetter(0)):
        present = [tree.root / name for _, name in group]
        if len(present) > 1:
            both = " and ".join(path.name for path in present)
            raise DataError(
                f"{tree.root / folder} holds both {both}. Remove one of them: difftool cannot "
                "tell which one to use."
            )
        rows = (
            _from_csv(present[0])
            if present[0].suffix.lower() == ".csv"
            else _from_jsonl(present[0])
        )
        prefix = f"{folder}/" if folder else ""
        for name, row in _by_name(present[0], rows, prefix, known, suffixes).items():
            found[name] = {**found.get(name, {}), **row}
    return found


class _Known:
    """The files that a table may name, in any spelling of their names."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = set(names)
        counts = Counter(map(spelled, names))
        self._spelled = {spelling: name for name in names if counts[spelling := spelled(name)] == 1}

    def find(self, name: str) -> str | None:
        """The name on the disk; None if there is no such file, or several of this spelling."""
        return name if name in self._names else self._spelled.get(spelled(name))


def _by_name(
    path: Path,
    rows: Iterable[tuple[int, dict[str, Any]]],
    prefix: str,
    known: _Known,
    suffixes: Collection[str],
) -> dict[str, Row]:
    found: dict[str, Row] = {}
    missing: list[str] = []
    for line, row in rows:
        name = _normal(row.pop(FILE_NAME, None), path, line)
        if (own := known.find(_below_root(name, prefix, path.parent))) is None:
            missing.append(f"{name} (line {line}{_why_missing(path.parent / name, suffixes)})")
            continue
        if own in found:
            raise DataError(
                f"{path}, line {line}: {name} has two rows. Remove one of them: difftool cannot "
                "tell which one is right."
            )
        found[own] = {column: value for column, value in row.items() if value not in (None, "")}
    if missing:
        count = (
            f"{len(missing):,} file that is"
            if len(missing) == 1
            else f"{len(missing):,} files that are"
        )
        raise DataError(
            f"{path} names {count} not in the folder: "
            f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}. Add them or remove "
            f"their rows. ({FILE_NAME} is relative to the folder of {path.name}.)"
        )
    return found


def _below_root(name: str, prefix: str, folder: Path) -> str:
    """A name in a table as a path below the data's folder; an absolute one may be in the table's."""
    if os.path.isabs(name):
        for base in (folder.absolute(), folder.resolve()):
            if Path(name).is_relative_to(base):
                return prefix + Path(name).relative_to(base).as_posix()
        return name
    return os.path.normpath(prefix + name).replace(os.sep, "/")


def _why_missing(path: Path, suffixes: Collection[str]) -> str:
    if not path.exists():
        return ""
    return ", it is skipped" if _suffix(path.name) in suffixes else ", not a supported format"


def _normal(name: Any, path: Path, line: int) -> str:
    if not isinstance(name, str) or not name.strip():
        raise DataError(
            f"{path}, line {line}: {FILE_NAME} is missing. Every row needs one, relative to the "
            f"folder of {path.name}."
        )
    return os.path.normpath(name.strip().replace("\\", "/")).replace(os.sep, "/")


def _from_csv(path: Path) -> list[tuple[int, dict[str, Any]]]:
    reader = csv.reader(io.StringIO(read_text(path)), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: this is not valid CSV ({error}). Save the file as "
            "comma-separated text with double quotes."
        ) from None
    header = [cell.strip() for cell in lines[0][1]] if lines else []
    if FILE_NAME not in header or len(set(header)) < len(header):
        shown = ", ".join(header) or "none"
        raise DataError(
            f"The first line of {path} must name one column {FILE_NAME}, and no column twice. It "
            f"has: {shown}."
        )
    for line, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(
                f"{path}, line {line}: {len(cells)} cells under {len(header)} columns. Quote "
                "cells that contain commas."
            )
    rows: list[tuple[int, dict[str, Any]]] = [
        (line, dict(zip(header, cells, strict=True))) for line, cells in lines[1:]
    ]
    for column in header:
        if column != FILE_NAME and _all_numbers([row[column] for _, row in rows]):
            for _, row in rows:
                row[column] = float(row[column]) if row[column].strip() else None
    return rows


def _all_numbers(cells: Iterable[str]) -> bool:
    """Whether all cells of a CSV column are numbers; a leading zero (a post code) means text."""
    cells = [cell.strip() for cell in cells if cell.strip()]
    return bool(cells) and all(map(_is_number, cells))


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and not re.match(r"[+-]?0\d|.*_", cell)
    except ValueError:
        return False


def _from_jsonl(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(read_text(path).split("\n"), 1):
        if not text.strip():
            continue
        try:
            row = parse_json(text)
        except ValueError as error:
            raise DataError(
                f"{path}, line {line}: {error}. Write one object on each line."
            ) from None
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {line}: this is not a JSON object. Write lines such as "
                f'{{"{FILE_NAME}": "a", "{CLASS}": "b"}}.'
            )
        yield (
            line,
            {
                whole(name): value if name == FILE_NAME else _plain(value)
                for name, value in row.items()
            },
        )


def _plain(value: Any) -> str | float | None:
    """A JSON value as text or a number; any other value as its JSON text."""
    if value is None or isinstance(value, str):
        return value and whole(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 2**53:
        return float(value)  # a float cannot hold a larger number exactly; it is probably a name
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return whole(json.dumps(value, ensure_ascii=False, sort_keys=True))
