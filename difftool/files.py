"""Atomic writes: a file or folder is either complete or absent."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from .errors import DifftoolError, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to ``path``, which replaces ``path`` when the block succeeds.

    The file is synced to disk first. A crash, a kill or a full disk leaves the old file as it was.
    Raises DifftoolError if the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _partial(path)
    try:
        with naming_full_disk(path):
            yield temporary
            # Some writers create files that only the owner can read.
            os.chmod(temporary, 0o666 & ~_umask())
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


LARGEST = 1 << 30
"""Bytes of the largest file that is read at once: tables of millions of rows are smaller."""


def contents(path: Path, most: int = LARGEST) -> bytes:
    """The bytes of a file. Raises OSError for one of more than ``most``, before it is read."""
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(
                errno.EFBIG, f"it has more than {most / 1e6:,.0f} MB, which is too large", str(path)
            )
        return file.read(most)


@contextmanager
def creating(path: Path) -> Iterator[Path]:
    """Like ``replacing``, for a path that must not exist. Raises UsageError if it does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _partial(path)
    try:
        with naming_full_disk(path):
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())
            _give_free_name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _give_free_name(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
        return
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        if not path.exists():
            os.replace(temporary, path)
            return
    raise UsageError(
        f"{path} exists already. Write to another folder, or move the file away: samples never "
        "overwrite a file."
    )


def _partial(path: Path) -> Path:
    """A unique path next to ``path``; process numbers repeat where machines share a disk."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")


@lru_cache(maxsize=1)
def _umask() -> int:
    """The process's umask. The system lets a process read it only by setting it."""
    os.umask(mask := os.umask(0o077))
    return mask


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder, which becomes ``folder`` when the block succeeds.

    If another process finishes the same folder first, its folder is kept; both are equivalent.
    """
    partial = _partial(folder)
    make_folder(partial)
    try:
        with naming_full_disk(folder):
            yield partial
        try:
            sync(partial)
            os.rename(partial, folder)
            sync(folder.parent)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create a folder of the cache. Raises UsageError where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(
            f"The cache of decoded files cannot be written to {folder}: {error.strerror}. Set "
            "DIFFTOOL_CACHE to a folder that can be written."
        ) from error


ABANDONED = 24 * 3600
"""Seconds without a change after which a temporary folder counts as abandoned."""


def found(folder: Path, fill: Callable[[Path], None], *, or_next: bool = False) -> Path:
    """Create a folder atomically: ``fill`` writes into a temporary folder, which is then renamed.

    If two processes create the same folder at once, one of them gets it. A kill leaves only a
    hidden temporary folder, which the next call for the same name removes once it is a day old.

    Args:
        or_next: if the name is taken, use ``folder-2``, ``folder-3`` …; an empty folder is free.

    Returns:
        The folder that was created.

    Raises:
        FileExistsError: the name is taken, and ``or_next`` is False.
    """
    # A link or a mount means that the user put the folder elsewhere; renaming would undo that.
    if folder.is_symlink() or os.path.ismount(folder):
        return _filled_there(folder, fill)
    folder.parent.mkdir(parents=True, exist_ok=True)
    forget_abandoned(folder.parent, f".{folder.name}.*.partial")
    partial = _partial(folder)
    partial.mkdir()
    try:
        with naming_full_disk(folder):
            fill(partial)
        sync(partial)
        target = folder
        while not _moved(partial, target):
            if not or_next:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
            target = unused(folder)
        sync(folder.parent)
        return target
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _filled_there(folder: Path, fill: Callable[[Path], None]) -> Path:
    """Fill an empty folder that cannot be replaced because it is a link or a mount point."""
    if not folder.is_dir() or any(entry.name != "lost+found" for entry in folder.iterdir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    with naming_full_disk(folder):
        fill(folder)
    return folder


def _moved(partial: Path, folder: Path) -> bool:
    """Rename ``partial`` to ``folder`` if that is free or empty; returns whether it was."""
    try:
        with suppress(FileNotFoundError):
            folder.rmdir()  # removes only an empty folder
        os.rename(partial, folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        return False
    return True


def forget_abandoned(root: Path, pattern: str = ".*.partial") -> None:
    """Remove the temporary folders of killed processes in ``root``: those unchanged for a day."""
    for partial in root.glob(pattern):
        with suppress(OSError):
            touched = max(path.stat().st_mtime for path in (partial, *partial.glob("*")))
            if time.time() - touched > ABANDONED:
                shutil.rmtree(partial, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk. Windows cannot do this by path."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(lock: Path) -> Iterator[bool]:
    """Yield whether this process holds the lock of this file exclusively.

    The system releases the lock when the process ends, however that happens. On a system without
    such locks, every process gets True.
    """
    with open(lock, "a", encoding="utf-8") as file:
        yield _claimed(file.fileno())


def _claimed(descriptor: int) -> bool:
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


@contextmanager
def naming_full_disk(path: Path) -> Iterator[None]:
    """Turn "no space left on device" into a DifftoolError that says what to do."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DifftoolError(
            f"The disk that holds {path.parent} is full, so {path.name} could not be written. "
            "Free some space, or choose another disk: --run for a run, -o for samples, the variable "
            "DIFFTOOL_CACHE for decoded data. Files written earlier are intact."
        ) from error


def is_full_disk(error: BaseException) -> bool:
    """Whether an error means that the disk is full; Rust libraries give its number only as text."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in codes or any(
        f"(os error {code})" in str(error) for code in codes
    )


def unused(path: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """The first of ``path``, ``path-2``, ``path-3`` … that is not taken."""
    number, candidate = 1, path
    while taken(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


def checksum(path: Path) -> str:
    """A hash of a file's bytes, by which another file of the same name is told apart."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def cache_root() -> Path:
    """The folder of all caches: ``$DIFFTOOL_CACHE``, or the platform's cache folder."""
    if chosen := os.environ.get("DIFFTOOL_CACHE"):
        return Path(chosen)
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("difftool", appauthor=False))
    except RuntimeError as error:
        raise UsageError(
            "There is no home folder for the cache of decoded files. Set DIFFTOOL_CACHE to a "
            f"folder that can be written. ({error})"
        ) from None
