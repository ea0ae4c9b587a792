"""Files that are either wholly there or not there at all."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

from .errors import DifftoolError, UsageError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path beside ``path``; when the block ends well it takes ``path``'s place, synced to disk.

    A crash, a kill or a full disk leaves the old file as it was. Raises DifftoolError when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _partial(path)
    try:
        with naming_full_disk(path):
            yield temporary
            os.chmod(temporary, 0o666 & ~_umask())  # some writers make files that only their owner can read
            sync(temporary)
            os.replace(temporary, path)
            sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def creating(path: Path) -> Iterator[Path]:
    """As ``replacing``, for a name that must be free. Raises UsageError when it is not, and leaves what is there as it is."""
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
    raise UsageError(f"{path} exists already. Write to another folder, or move it away: samples never overwrite a file.")


def _partial(path: Path) -> Path:
    """A name of its own beside ``path``. A process number would not do: on a shared disk two machines may have the same."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")


@lru_cache(maxsize=1)
def _umask() -> int:
    """The permissions that new files do not get; it can only be read by setting it."""
    os.umask(mask := os.umask(0o077))
    return mask


@contextmanager
def building(folder: Path) -> Iterator[Path]:
    """Yields a temporary folder beside ``folder``; when the block ends well it becomes ``folder``.

    Where another process finishes the same folder first, that one stays: it is as good.
    """
    partial = _partial(folder)
    partial.mkdir(parents=True, exist_ok=True)
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


ABANDONED = 24 * 3600
"""Seconds after which no one is still working on a folder that was begun and never put in its place."""


def found(folder: Path, fill: Callable[[Path], None], *, or_next: bool = False) -> Path:
    """Make a folder whole or not at all: ``fill`` writes into one beside it, which then takes its place in one step.

    Of two processes that found the same folder at once, one gets it. A kill leaves no half-made folder behind, only a hidden
    one that the next call for the same name removes when it is a day old.

    Args:
        or_next: where the name is taken, take ``folder-2``, ``folder-3`` …; an empty folder is not taken.

    Returns:
        The folder that was made.

    Raises:
        FileExistsError: something is there, and ``or_next`` is False.
    """
    if folder.is_symlink() or os.path.ismount(folder):  # the user put it elsewhere: it is filled where it is
        return _filled_there(folder, fill)
    folder.parent.mkdir(parents=True, exist_ok=True)
    forget_abandoned(folder.parent, f".{folder.name}.*.partial")
    partial = _partial(folder)
    partial.mkdir()
    try:
        with naming_full_disk(folder):
            fill(partial)
        sync(partial)
        place = folder
        while not _moved(partial, place):
            if not or_next:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
            place = unused(folder)
        sync(folder.parent)
        return place
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _filled_there(folder: Path, fill: Callable[[Path], None]) -> Path:
    """An empty folder that cannot be replaced, since a link or a mount leads to it, filled."""
    if not folder.is_dir() or any(entry.name != "lost+found" for entry in folder.iterdir()):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(folder))
    with naming_full_disk(folder):
        fill(folder)
    return folder


def _moved(partial: Path, folder: Path) -> bool:
    """Whether a folder could be moved to a place where nothing, or an empty folder, is."""
    try:
        with suppress(FileNotFoundError):
            folder.rmdir()  # of an empty folder nothing is lost; one that holds anything stays
        os.rename(partial, folder)
    except OSError:
        if not os.path.lexists(folder):
            raise
        return False
    return True


def forget_abandoned(root: Path, pattern: str = ".*.partial") -> None:
    """Remove what killed processes left half-made below ``root``: whatever was not written to for a day."""
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
    """Make sure that a file, or a folder's list of names, is on the disk. Windows can be asked this of neither through its name."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(lock: Path) -> Iterator[bool]:
    """Yields whether this process is the only one inside a block of this kind for the same file.

    The system forgets the claim with the process, however it ends. Where it knows no such claims, everyone is alone.
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
    """Turn "no space left on device" into a message with a way out."""
    try:
        yield
    except Exception as error:
        if not is_full_disk(error):
            raise
        raise DifftoolError(
            f"The disk that holds {path.parent} is full, so {path.name} could not be written. Free some space, or choose another "
            "place: --run for a run, the variable DIFFTOOL_CACHE for decoded data. What was written before is untouched."
        ) from error


def is_full_disk(error: BaseException) -> bool:
    """Whether an error says that no space is left. Libraries written in Rust give the operating system's number in words only."""
    codes = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in codes or any(f"(os error {code})" in str(error) for code in codes)


def unused(path: Path, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """``path``, or ``path-2``, ``path-3`` … : the first that is not taken."""
    number, candidate = 1, path
    while taken(candidate):
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
