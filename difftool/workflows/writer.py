"""Samples -> files: one for each, a table of their conditions, and a sheet of the first ones."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..data.layout import MARKER
from ..errors import RunExistsError
from ..files import unused
from ..names import spelled

if TYPE_CHECKING:
    from ..engine.generate import Generated
    from ..modality import Modality
    from ..options import Options

SHEET = 64
"""Number of samples on a sheet."""

LONGEST = 160
"""Bytes of the conditions in a file's name; file systems take 255 in all."""


def refuse_used(folder: Path) -> None:
    """Raise RunExistsError if a folder for samples holds something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(
            f"{folder} already exists and is not empty. Choose another -o. Nothing in it was "
            "changed."
        )


class Before(NamedTuple):
    """What a sample was made from: an example by its key, what of it is selected, and its title."""

    key: Any
    example: Any
    marks: Any
    title: str


class SampleWriter:
    """Writes samples into a folder one by one, each with its row of ``metadata.csv``.

    Whatever ends the work, the samples and rows that were written can be read again.
    """

    def __init__(
        self, folder: Path, modality: Modality, info: Mapping[str, Any], shape: Options
    ) -> None:
        self._folder, self._modality, self._info, self._shape = folder, modality, info, shape
        self._shown: list[Generated] = []
        self.rows: list[dict[str, Any]] = []

    def write(self, one: Generated, origin: Mapping[str, Any] | None = None) -> Path:
        """Write one sample; returns its file.

        Args:
            origin: further provenance of this sample alone.
        """
        if not self.rows:  # not earlier: the first step of sampling may refuse the request
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / MARKER).touch()
        stem = self._folder / f"{one.index:06d}{label(one.cond)}"
        known = {name: value for name, value in one.cond.items() if value is not None}
        info = {**self._info, **(origin or {}), "index": one.index, **known}
        file = self._modality.write(one.example, stem, info, self._shape)
        self._add_row(file, one.cond)
        self.rows.append({"path": str(file), "index": one.index, "cond": dict(one.cond)})
        self._shown += [one] if len(self._shown) < SHEET else []
        return file

    def _add_row(self, file: Path, cond: Mapping[str, str | float | None]) -> None:
        if not cond:
            return
        table = self._folder / "metadata.csv"
        lines = [] if table.exists() else [("file_name", *cond)]
        append(table, _csv([*lines, (file.name, *map(_cell, cond.values()))]))

    def unwritable(self) -> str:
        """The letters of the sheet's titles that no font on this machine has."""
        titles = "".join(one.title for one in self._shown)
        if titles.isascii():
            return ""
        from ..fonts import missing_letters  # matplotlib, which takes a moment

        return missing_letters(titles)

    def write_sheet(self) -> Path:
        """Write the first samples on one sheet, a file beside the folder."""
        examples, titles = [one.example for one in self._shown], [one.title for one in self._shown]
        return self._modality.preview(examples, self._sheet(), titles)

    def write_comparison(
        self, before: Mapping[int, Before | None], last: Before | None = None
    ) -> Path:
        """Write the first samples on one sheet, each example before what was made of it.

        Args:
            before: index of a sample -> what it was made from; None for seeds.
            last: what comes after all of them.
        """
        cells: list[tuple[Any, Any, str]] = []
        key = None
        for one in self._shown:
            given = before[one.index]
            if given is not None and given.key != key:
                cells.append((given.example, given.marks, given.title))
                key = given.key
            marks = given.marks if given is not None and self._modality.marks_results else None
            cells.append((one.example, marks, one.title))
        if last is not None and len(self._shown) == len(self.rows):
            cells.append((last.example, last.marks, last.title))
        examples, marked, titles = zip(*cells, strict=True)
        return self._modality.overlay(examples, marked, self._sheet(), titles)

    def _sheet(self) -> Path:
        return unused(self._folder.with_name(f"{self._folder.name}-sheet"), _taken)


def append(path: Path, data: bytes) -> None:
    """Append to a file whole or not at all, even if the disk becomes full."""
    with open(path, "ab", buffering=0) as file:
        start = file.seek(0, io.SEEK_END)
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            file.truncate(start)
            if not start:
                path.unlink()
            raise


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: str | float | None) -> str:
    return "" if value is None else str(value)


def _taken(stem: Path) -> bool:
    return any(stem.parent.glob(f"{stem.name}.*"))


def label(cond: Mapping[str, str | float | None]) -> str:
    """The conditions in a file name, such as ``-A``: letters and digits of any script."""
    words = [
        f"{value:g}" if isinstance(value, float) else value
        for value in cond.values()
        if value is not None
    ]
    text = "".join(f"-{_plain(word)[:40]}" for word in words)
    return text.encode()[:LONGEST].decode(errors="ignore")


def _plain(word: str) -> str:
    """Letters, marks and digits; anything else, which some file system forbids, becomes ``_``."""
    chars = (c if c in "+-" or unicodedata.category(c)[0] in "LMN" else "_" for c in spelled(word))
    return re.sub("_+", "_", "".join(chars))
