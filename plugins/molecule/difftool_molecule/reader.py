"""Reader: a file format of molecules, and what all formats share."""

from __future__ import annotations

import io
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from difftool import DataError, remark

from .molecule import Molecule, checked
from .packed import GZIP, unpacked

Columns = dict[str, str | float]
Made = TypeVar("Made")

LARGEST = 2 << 30
"""Bytes of the largest file that is read at once, as lists of SMILES and structures are."""

PROVENANCE = "difftool"
"""The property in which our own samples say how they were made; it is none of the molecule's."""


class Atoms(NamedTuple):
    """What is known of a molecule without its geometry.

    Attributes:
        numbers: atomic numbers, hydrogens that a reader adds among them.
        charged: whether any formal charge is not zero.
    """

    numbers: Sequence[int]
    charged: bool


class Reader(ABC):
    """A file format. Molecules in a file are numbered from 0; damaged ones count."""

    @abstractmethod
    def columns(self, path: Path) -> list[Columns]:
        """The properties of each molecule. Raises DataError when the file as a whole is bad."""

    @abstractmethod
    def atoms(self, path: Path) -> list[Atoms | None]:
        """The atoms of each molecule, quickly; None for one that is bad.

        Raises DataError when the file as a whole is bad.
        """

    @abstractmethod
    def molecule(self, path: Path, part: int) -> Molecule:
        """One molecule, as the file has it.

        Raises DataError when the file or the molecule is bad.
        """


class TextReader(Reader):
    """A text file with one record for each molecule. Only the positions of the records are kept in
    memory.
    """

    @abstractmethod
    def starts(self, file: BinaryIO) -> Iterator[int]:
        """The places where records begin, as bytes from the file's beginning."""

    @abstractmethod
    def properties(self, text: str) -> Mapping[str, str]:
        """The properties of the molecule in a record; empty if it is damaged."""

    @abstractmethod
    def constitution(self, text: str) -> Atoms:
        """The atoms of a record. Raises ValueError or IndexError when it is bad."""

    @abstractmethod
    def parse(self, text: str, name: str) -> Molecule:
        """The molecule in a record; ``name`` is what to call it in a message.

        Raises DataError when it is bad.
        """

    def columns(self, path: Path) -> list[Columns]:
        return typed([{} if text is None else self.properties(text) for text in self._texts(path)])

    def atoms(self, path: Path) -> list[Atoms | None]:
        return [None if text is None else self._constitution(text) for text in self._texts(path)]

    def _constitution(self, text: str) -> Atoms | None:
        try:
            found = self.constitution(text)
        except (ValueError, IndexError, OverflowError):
            return None
        return found if all(found.numbers) else None

    def molecule(self, path: Path, part: int) -> Molecule:
        edges = self._edges(path)
        name = called(path, part, len(edges) - 1)
        with opened(path) as file:
            file.seek(edges[part])
            record = file.read(edges[part + 1] - edges[part])
        try:
            return checked(self.parse(decoded(record, name), name), name)
        except (ValueError, OverflowError) as error:  # a number of thousands of digits, or of none
            raise DataError(
                f"{name} holds a number that is too large, or none where one should be. Correct "
                f"or remove it. ({error})"
            ) from None

    def _texts(self, path: Path) -> Iterator[str | None]:
        """Each record; None where it is not text."""
        edges = self._edges(path)
        with opened(path) as file:
            file.seek(edges[0])
            for size in np.diff(edges).tolist():
                try:
                    yield decoded(file.read(size), str(path))
                except DataError:
                    yield None

    def _edges(self, path: Path) -> np.ndarray:
        return held(self._index, path)

    def _index(self, path: Path) -> np.ndarray:
        """int64 ``[count + 1]``: the start of each record, and the end of the last."""
        with opened(path) as file:
            found = np.fromiter(self.starts(file), np.int64)
            end = file.seek(0, io.SEEK_END)
        if not len(found):
            raise DataError(f"{path} holds no molecule. Remove it or copy it again.")
        return np.append(found, end)


def called(path: Path, part: int, count: int) -> str:
    """The name of a molecule in a message, if its file has ``count`` of them."""
    return str(path) if count == 1 else f"{path} (molecule {part + 1})"


# --- files ----------------------------------------------------------------------------------------

_lock = (
    Lock()
)  # molecules are read on several threads, and all of them want the same file's index at once


def held(make: Callable[[Path], Made], path: Path) -> Made:
    """``make(path)``, kept in memory for the last files, as long as they do not change."""
    try:
        stat = path.stat()
    except OSError as error:
        raise _refusal(path, error) from None
    with _lock:
        return _made(make, path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=4)  # few, since they stay in memory; items are read file by file
def _made(make: Callable[[Path], Any], path: Path, size: int, time: int) -> Any:
    return make(path)


@contextmanager
def opened(path: Path, text: bool = True) -> Iterator[BinaryIO]:
    """The file's bytes.

    Raises DataError when it cannot be opened, is empty, or is not text where it should be.
    """
    try:
        file = unpacked(path) if path.suffix.lower() == GZIP else path.open("rb")
    except OSError as error:
        raise _refusal(path, error) from None
    with file:
        head = file.peek(1)  # type: ignore[attr-defined]
        if not head:
            raise DataError(f"{path} is empty (0 bytes). Remove it or copy it again.")
        if text and head.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise DataError(f"{path} is UTF-16 text. Save it as UTF-8.")
        if text and b"\0" in head:
            raise DataError(
                f"{path} is not text, whatever its name says. Remove it, or unpack it if it is an "
                "archive."
            )
        yield file


def decoded(data: bytes, name: str) -> str:
    """Text with plain line ends.

    What is not UTF-8 is read as Windows-1252: atoms are ASCII in both, and a note must not cost a
    molecule.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remark(
            f"{name} is not UTF-8 text (there is a byte {data[error.start]:#04x}); it was read as "
            "Windows-1252"
        )
        text = data.decode("cp1252", errors="replace")
    return text.replace("\r\n", "\n")


def whole_text(path: Path) -> str:
    """All of a file of text. Raises DataError as ``opened`` and ``decoded`` do, and for a large one."""
    with opened(path) as file:
        if file.seek(0, io.SEEK_END) > LARGEST:
            raise DataError(
                f"{path} has more than {LARGEST / 1e9:.0f} GB, which are read at once. Cut it into "
                "several files."
            )
        file.seek(0)
        return decoded(file.read(), str(path))


def _refusal(path: Path, error: OSError) -> DataError:
    if isinstance(error, FileNotFoundError):
        return DataError(f"{path} does not exist. Was it moved while it was being read?")
    return DataError(f"{path} cannot be read. Check its permissions. ({error.strerror})")


# --- properties -----------------------------------------------------------------------------------


def typed(rows: Sequence[Mapping[str, str]]) -> list[Columns]:
    """Properties as text or numbers: numbers where all molecules of the file that have one have a
    number. What is empty is left out.
    """
    filled = [
        {name: value.strip() for name, value in row.items() if value.strip() and name != PROVENANCE}
        for row in rows
    ]
    texts = {name for row in filled for name, value in row.items() if not _is_number(value)}
    return [
        {
            name: value if name in texts else float(value)
            for name, value in row.items()
            if name in texts or math.isfinite(float(value))
        }
        for row in filled
    ]


def _is_number(text: str) -> bool:
    """Whether a text is a number; a leading zero, as in a catalogue number, makes it text."""
    try:
        float(text)
    except ValueError:
        return False
    return not _CODE.match(text)


_CODE = re.compile(r"[+-]?0\d|.*_")
