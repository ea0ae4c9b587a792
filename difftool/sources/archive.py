"""Archives: .zip, .tar, .tar.gz and shards of them, unpacked into the cache.

What an archive says of its contents is not trusted: no entry is written outside the folder, links and devices are left out, and
the bytes that come out are counted as they are written.
"""

from __future__ import annotations

import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from ..data.remark import remark
from ..errors import DataError
from ..source import Source
from .options import ArchiveOptions
from .sidecars import merge_sidecars

TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
GIGABYTE = 10**9
CHUNK = 1 << 20
BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, NotImplementedError, RuntimeError)

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive.

    Attributes:
        name: as the archive says it.
        open: reads it.
        reason: why it is left out; empty for a file that is taken.
    """

    name: str
    open: Callable[[], IO[bytes]]
    reason: str = ""


@dataclass
class _Budget:
    """What may still be unpacked."""

    files: int
    bytes: int
    reason: str
    skipped: list[str] = field(default_factory=list)


class Archive(Source):
    """One archive, shards of one (``name-{0000..0012}.tar``), or a folder that holds nothing but tar files."""

    options: ArchiveOptions

    def identity(self, path: str) -> str:
        stats = ((shard.absolute(), shard.stat()) for shard in shards(path))
        return "\n".join(f"{shard} {stat.st_size} {stat.st_mtime_ns}" for shard, stat in stats)

    def fill(self, path: str, folder: Path) -> None:
        files = shards(path)
        budget = self._budget(sum(shard.stat().st_size for shard in files))
        for shard in files:
            with _naming(shard), opened(shard) as entries:
                found = list(entries)
                taken = {target for entry in found if not entry.reason and (target := _target(entry.name)) is not None}
                clash = len(files) > 1 and any((folder / target).exists() for target in taken)
                for entry in found:
                    self._unpack(entry, folder, f"{stem(shard)}-" if clash else "", budget, shard)
        if budget.skipped:
            shown = ", ".join(budget.skipped[:5]) + (", …" if len(budget.skipped) > 5 else "")
            count = "1 entry" if len(budget.skipped) == 1 else f"{len(budget.skipped):,} entries"
            remark(f"left out of {path}: {count}: {shown}")
        merge_sidecars(folder)

    def _budget(self, size: int) -> _Budget:
        by_ratio, most = int(max(GIGABYTE, size * self.options.max_ratio)), int(self.options.max_size * GIGABYTE)
        if by_ratio < most:
            reason = f"{self.options.max_ratio:g} times its own size (source.max_ratio)"
            return _Budget(self.options.max_files, by_ratio, reason)
        return _Budget(self.options.max_files, most, f"{self.options.max_size:g} GB (source.max_size)")

    def _unpack(self, entry: Entry, folder: Path, prefix: str, budget: _Budget, shard: Path) -> None:
        target = _target(entry.name)
        if reason := entry.reason or ("" if target else "it leads out of the archive"):
            budget.skipped.append(f"{entry.name!r} ({reason})")
            return
        assert target is not None
        budget.files -= 1
        if budget.files < 0:
            raise DataError(
                f"{shard} holds more than {self.options.max_files:,} files. Raise source.max_files if that is meant; "
                "there is a limit so that an archive cannot fill the disk."
            )
        place = folder / target.parent / f"{prefix}{target.name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, open(place, "wb") as out:
            while chunk := source.read(CHUNK):
                budget.bytes -= len(chunk)
                if budget.bytes < 0:
                    raise DataError(
                        f"{shard} unpacks to more than {budget.reason}. Raise that setting if the archive is what you expect; "
                        "there is a limit so that a small file cannot fill the disk."
                    )
                out.write(chunk)


def shards(path: str) -> list[Path]:
    """The archives that a path names, in their order.

    Raises:
        DataError: one of them does not exist.
    """
    where = Path(path)
    if where.is_dir():
        return sorted(file for file in where.iterdir() if file.name.lower().endswith(TARS))
    if found := _RANGE.search(path):
        first, last = found[1], found[2]
        numbers = range(int(first), int(last) + 1)
        files = [Path(f"{path[: found.start()]}{n:0{len(first)}}{path[found.end() :]}") for n in numbers]
    else:
        files = [where]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        what = f"{missing[0]} does not exist" if missing else f"{path} names no shards: {last} is before {first}"
        raise DataError(f"{what}. Name an archive, or shards such as data-{{0000..0012}}.tar that are all there.")
    return files


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Entry]]:
    """The entries of one archive, while it is open."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield (_of_zip(archive, info) for info in archive.infolist() if not info.is_dir() and not _of_finder(info.filename))
    else:
        with tarfile.open(path) as tar:
            yield (_of_tar(tar, member) for member in tar if not member.isdir())


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    kind = info.external_attr >> 28  # of a file made on Unix: 0o10 a plain file, 0o12 a link
    reason = "it is a link" if kind == 0o12 else "it is not a plain file" if kind not in (0, 0o10) else ""
    reason = reason or ("it is encrypted" if info.flag_bits & 1 else "")
    return Entry(info.filename, lambda: archive.open(info), reason)


def _of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    reason = "it is a link" if member.issym() or member.islnk() else "" if member.isfile() else "it is not a plain file"

    def read() -> IO[bytes]:
        found = tar.extractfile(member)
        assert found is not None  # a plain file
        return found

    return Entry(member.name, read, reason)


def _of_finder(name: str) -> bool:
    """Whether it is what macOS adds to archives beside the files themselves."""
    return name.startswith("__MACOSX/")


def _target(name: str) -> Path | None:
    """Where an entry belongs in the folder; None where it would lie outside, or where its name has parts that no file should have."""
    path = PurePosixPath(name.removeprefix("./"))
    unsafe = path.is_absolute() or "\\" in name or ":" in name or "\0" in name
    return None if unsafe or not path.parts or ".." in path.parts else Path(path)


def stem(path: Path) -> str:
    """The name of an archive without what says its format."""
    name = path.name
    return next((name[: -len(end)] for end in sorted((*TARS, ".zip"), key=len, reverse=True) if name.lower().endswith(end)), name)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say which archive could not be read; a full disk is not the archive's fault."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{path} cannot be read as an archive: {error}. Download or pack it again; it seems damaged.") from error
