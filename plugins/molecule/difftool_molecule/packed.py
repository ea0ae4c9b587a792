"""Files of molecules that gzip has packed, as data sets are given away: ``.sdf.gz``."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import BinaryIO, cast

import numpy as np

from difftool import DataError, spooled

GZIP = ".gz"

BLOCK = 1 << 20
"""Bytes that are unpacked at once."""

ALWAYS, RATIO = 1 << 26, 100
"""Bytes that a file may become however small it is, and that each byte of a larger one may become.
Coordinates become four times as much.
"""


def suffix_of(path: Path) -> str:
    """The suffix of a file, in lower case; of a packed one, that of what is in it."""
    return (path.with_suffix("") if path.suffix.lower() == GZIP else path).suffix.lower()


_lock = Lock()  # several threads want the same file at once


def unpacked(path: Path) -> BinaryIO:
    """The bytes of a packed file, unpacked once. Raises DataError, OSError."""
    stat = path.stat()
    with _lock:
        data = _unpacked(path, stat.st_size, stat.st_mtime_ns)
    return cast(BinaryIO, io.BufferedReader(_View(data.data)))


@lru_cache(maxsize=2)  # items are read file by file
def _unpacked(path: Path, size: int, time: int) -> np.ndarray:
    return spooled(_blocks(path))


def _blocks(path: Path) -> Iterator[np.ndarray]:
    total, most = 0, max(ALWAYS, RATIO * path.stat().st_size)
    try:
        with gzip.open(path, "rb") as file:
            while block := file.read(BLOCK):
                total += len(block)
                if total > most:
                    raise DataError(
                        f"{path} becomes more than {most / 1e6:,.0f} MB when it is unpacked, which "
                        "is out of proportion to its size. Remove it."
                    )
                yield np.frombuffer(block, np.uint8)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is cut short or damaged. Copy it again, or remove it. ({error})"
        ) from None
    if not total:
        raise DataError(f"{path} is empty once it is unpacked. Remove it or copy it again.")


class _View(io.RawIOBase):
    """A file over bytes that are there already."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._at = data, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._data)}[whence]
        self._at = start + offset
        return self._at

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        part = self._data[self._at : self._at + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)
