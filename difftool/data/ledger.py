"""The ledger of data: of each file its size, its hash, and what is known of its rights."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..modality import Item, Modality
from .bound import bounded

RIGHTS = {
    "licence": ("licence", "license", "rights"),
    "copyright": ("copyright",),
    "author": ("author", "artist", "creator", "photographer"),
    "source": ("source", "url", "origin"),
}
"""What is known of rights -> the columns of metadata that say it."""

WHOLE = ("LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "README")
"""Files beside the data that may speak for all of them."""

AT_ONCE = 1 << 20
"""Bytes that are read at once."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the data.

    Attributes:
        file: its name, from the folder of the data.
        examples: that it holds.
        bytes, sha256: of the file, or of all files of a folder that is one example.
        licence, copyright, author, source: by the file itself or by the metadata; empty where
            neither says anything.
    """

    file: str
    examples: int
    bytes: int
    sha256: str
    licence: str = ""
    copyright: str = ""
    author: str = ""
    source: str = ""


def ledger(modality: Modality, items: Sequence[Item], root: Path) -> Iterator[Entry]:
    """An entry for each file that holds examples, and for each that may speak of all, by name."""
    base = root if root.is_dir() else root.parent
    for path in _about_all(base):
        yield Entry(path.name, 0, *_hashed([path]))
    grouped: dict[Path, list[Item]] = {}
    for item in items:
        grouped.setdefault(item.path, []).append(item)
    for path, same in sorted(grouped.items()):
        name = str(path.relative_to(base)) if path.is_relative_to(base) else path.name
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        with suppress(OSError):  # it was moved since it was trained on
            size, found = _hashed(files)
            yield Entry(name, len(same), size, found, **_rights(modality, path, same))


def _about_all(base: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(one for one in base.iterdir() if one.is_file() and one.stem.upper() in WHOLE)
    return []


def _hashed(files: Sequence[Path]) -> tuple[int, str]:
    """Size and SHA-256 of files, one after another."""
    digest, size = hashlib.sha256(), 0
    for path in files:
        with path.open("rb") as file:
            while block := file.read(AT_ONCE):
                digest.update(block)
                size += len(block)
    return size, digest.hexdigest()


def _rights(modality: Modality, path: Path, items: Sequence[Item]) -> dict[str, str]:
    """By the metadata, which somebody wrote for this data set, or else by the file."""
    own: Mapping[str, str] = {}
    with suppress(DataError, OSError), bounded(path):  # what cannot be read says nothing
        own = modality.rights(path)
    found = {}
    for name, columns in RIGHTS.items():
        said = [_column(item.columns, columns) for item in items]
        text = "; ".join(dict.fromkeys(one for one in said if one)) or own.get(name, "")
        found[name] = " ".join(text.split())[:500]
    return found


def _column(columns: Mapping[str, Any], names: Sequence[str]) -> str:
    return next((str(text) for key, text in columns.items() if key.lower() in names and text), "")


def as_table(entries: Sequence[Entry]) -> str:
    """The ledger as CSV."""
    buffer = io.StringIO()
    rows = csv.writer(buffer, lineterminator="\n")
    rows.writerow([field.name for field in fields(Entry)])
    rows.writerows(astuple(entry) for entry in entries)
    return buffer.getvalue()


def from_table(text: str) -> list[Entry]:
    """What ``as_table`` wrote. Raises ValueError for another table."""
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(text)))
    try:
        for row in rows:
            row.update(examples=int(row["examples"]), bytes=int(row["bytes"]))
        return [Entry(**row) for row in rows]
    except (KeyError, TypeError) as error:
        raise ValueError(f"It is not a ledger: {error}") from error
