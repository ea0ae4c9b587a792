"""Archives: .zip, .tar, .tar.gz and shards of them, unpacked into the cache.

The metadata of an archive is not trusted: no entry is written outside the folder, links and devices
are skipped, and unpacked bytes are counted while they are written.
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
BROKEN = (
    OSError,
    EOFError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    NotImplementedError,
    RuntimeError,
)

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive.

    Attributes:
        name: as given in the archive.
        open: opens it for reading.
        reason: why it is skipped; empty for a file that is unpacked.
    """

    name: str
    open: Callable[[], IO[bytes]]
    reason: str = ""


@dataclass
class _Budget:
    """The number of files and bytes that may still be unpacked."""

    files: int
    bytes: int
    reason: str
    skipped: list[str] = field(default_factory=list)


class Archive(Source):
    """One archive, shards of one (``name-{0000..0012}.tar``), or a folder with only tar files."""

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
                taken = {
                    target
                    for entry in found
                    if not entry.reason and (target := _target(entry.name)) is not None
                }
                clash = len(files) > 1 and any((folder / target).exists() for target in taken)
                for entry in found:
                    self._unpack(entry, folder, f"{stem(shard)}-" if clash else "", budget, shard)
        if budget.skipped:
            shown = ", ".join(budget.skipped[:5]) + (", …" if len(budget.skipped) > 5 else "")
            count = "1 entry" if len(budget.skipped) == 1 else f"{len(budget.skipped):,} entries"
            remark(f"skipped in {path}: {count}: {shown}")
        merge_sidecars(folder)

    def _budget(self, size: int) -> _Budget:
        by_ratio, most = (
            int(max(GIGABYTE, size * self.options.max_ratio)),
            int(self.options.max_size * GIGABYTE),
        )
        if by_ratio < most:
            reason = f"{self.options.max_ratio:g} times its own size (source.max_ratio)"
            return _Budget(self.options.max_files, by_ratio, reason)
        return _Budget(
            self.options.max_files, most, f"{self.options.max_size:g} GB (source.max_size)"
        )

    def _unpack(
        self, entry: Entry, folder: Path, prefix: str, budget: _Budget, shard: Path
    ) -> None:
        target = _target(entry.name)
        if reason := entry.reason or ("" if target else "its path leads out of the folder"):
            budget.skipped.append(f"{entry.name!r} ({reason})")
            return
        assert target is not None
        budget.files -= 1
        if budget.files < 0:
            raise DataError(
                f"{shard} holds more than {self.options.max_files:,} files. Raise "
                "source.max_files if you expect that many; the limit keeps an archive from "
                "filling the disk."
            )
        path = folder / target.parent / f"{prefix}{target.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        with entry.open() as source, open(path, "wb") as out:
            while chunk := source.read(CHUNK):
                budget.bytes -= len(chunk)
                if budget.bytes < 0:
                    raise DataError(
                        f"{shard} unpacks to more than {budget.reason}. Raise this setting if you "
                        "trust the archive; the limit keeps a small file from filling the disk."
                    )
                out.write(chunk)


def shards(path: str) -> list[Path]:
    """The archives that a path names, in order.

    Raises:
        DataError: one of them does not exist.
    """
    where = Path(path)
    if where.is_dir():
        return sorted(file for file in where.iterdir() if file.name.lower().endswith(TARS))
    if found := _RANGE.search(path):
        first, last = found[1], found[2]
        numbers = range(int(first), int(last) + 1)
        files = [
            Path(f"{path[: found.start()]}{n:0{len(first)}}{path[found.end() :]}") for n in numbers
        ]
    else:
        files = [where]
    missing = [file for file in files if not file.is_file()]
    if missing or not files:
        what = (
            f"{missing[0]} does not exist"
            if missing
            else f"{path} names no shards: {last} is before {first}"
        )
        raise DataError(
            f"{what}. Pass an archive, or shards such as data-{{0000..0012}}.tar that all exist."
        )
    return files


@contextmanager
def opened(path: Path) -> Iterator[Iterator[Entry]]:
    """The entries of one archive, while it is open."""
    if path.suffix.lower() == ".zip":
        with zipfile.ZipFile(path) as archive:
            yield (
                _of_zip(archive, info)
                for info in archive.infolist()
                if not info.is_dir() and not _of_finder(info.filename)
            )
    else:
        with tarfile.open(path) as tar:
            yield (_of_tar(tar, member) for member in tar if not member.isdir())


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    kind = info.external_attr >> 28  # on Unix: 0o10 is a plain file, 0o12 a link
    reason = (
        "it is a link"
        if kind == 0o12
        else "it is not a plain file"
        if kind not in (0, 0o10)
        else ""
    )
    reason = reason or ("it is encrypted" if info.flag_bits & 1 else "")
    return Entry(info.filename, lambda: archive.open(info), reason)


def _of_tar(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Entry:
    reason = (
        "it is a link"
        if member.issym() or member.islnk()
        else ""
        if member.isfile()
        else "it is not a plain file"
    )

    def read() -> IO[bytes]:
        found = tar.extractfile(member)
        assert found is not None  # a plain file
        return found

    return Entry(member.name, read, reason)


def _of_finder(name: str) -> bool:
    """Whether an entry is metadata that macOS adds to archives."""
    return name.startswith("__MACOSX/")


def _target(name: str) -> Path | None:
    """The relative path of an entry; None if it leads outside the folder or is not portable."""
    path = PurePosixPath(name.removeprefix("./"))
    unsafe = path.is_absolute() or "\\" in name or ":" in name or "\0" in name
    return None if unsafe or not path.parts or ".." in path.parts else Path(path)


def stem(path: Path) -> str:
    """The name of an archive without its suffixes."""
    name = path.name
    return next(
        (
            name[: -len(end)]
            for end in sorted((*TARS, ".zip"), key=len, reverse=True)
            if name.lower().endswith(end)
        ),
        name,
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raise DataError that names a broken archive; system errors (a full disk) pass through."""
    try:
        yield
    except BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(
            f"{path} cannot be read as an archive: {error}. Download or pack it again: it is "
            "probably damaged."
        ) from error
