"""The cache: every example decoded once, into one memory-mapped file outside the user's folder.

A cache is named by a fingerprint of what went into it (each file's name, size and time, the columns, and how it was
decoded), so a changed folder gets a new cache and an unchanged one is opened in milliseconds. What a new cache needs and
an earlier one of the same settings holds is copied from there, so one file more does not decode all the others again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..errors import DataError, PluginError
from ..files import building, forget_abandoned, is_full_disk, sync
from ..modality import Item, Modality
from .remark import remarks

FORMAT = 5

EARLIER = 4
"""Earlier caches of the same settings, the newest first, in which examples are looked for before they are decoded."""

NAMED = 10
"""Examples that are left out and named; more of them are only counted."""

LARGE = 1 << 16
"""Bytes of an example above which batches are made of views."""

Progress = Callable[[int, int, str], None]


def cache_root() -> Path:
    """Where caches live: ``$DIFFTOOL_CACHE``, or the platform's cache folder."""
    if chosen := os.environ.get("DIFFTOOL_CACHE"):
        return Path(chosen)
    import platformdirs

    return Path(platformdirs.user_cache_dir("difftool", appauthor=False))


_trial: ContextVar[Path | None] = ContextVar("trial", default=None)


@contextmanager
def trial_cache() -> Iterator[None]:
    """Inside the block whatever is not cached yet goes to a temporary folder, which is gone afterwards."""
    with TemporaryDirectory(prefix="difftool-trial-") as folder:
        token = _trial.set(Path(folder))
        try:
            yield
        finally:
            _trial.reset(token)


def place(name: str) -> Path:
    """Where the thing of this name is cached, or is to be."""
    usual, trial = cache_root() / name, _trial.get()
    return usual if trial is None or usual.exists() else trial / name


def workspace() -> Path:
    """A folder, which exists, for files that no one needs to find again; on the disk of the cache, where there is room."""
    root = _trial.get() or cache_root()
    root.mkdir(parents=True, exist_ok=True)
    return root


class Cache:
    """Decoded examples, read without copying the file into memory.

    Args:
        folder: a finished cache.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._open(folder)
        except (OSError, ValueError, KeyError) as error:
            raise DataError(f"The cache {folder} is damaged. Remove that folder, and it is made anew from the data. ({error})") from None

    def _open(self, folder: Path) -> None:
        about = json.loads((folder / "cache.json").read_text(encoding="utf-8"))
        self.folder = folder
        self.shape: tuple[int | None, ...] = tuple(about["shape"])
        self.dtype = np.dtype(about["dtype"])
        self.skipped = [(Path(path), reason) for path, reason in about["skipped"]]
        self.remarks = [(Path(path), text) for path, text in about["remarks"]]
        self.columns: list[dict[str, str | float]] = about["columns"]
        self.content: str = about["content"]
        self.digests: np.ndarray = np.load(folder / "digests.npy")
        flat = np.asarray(np.memmap(folder / "examples.bin", self.dtype, "r"))  # a slice of a memmap takes ten times as long to make
        self._index = None if None not in self.shape else np.load(folder / "index.npy")
        self._examples = flat if self._index is not None else flat.reshape(len(self.columns), *self.shape)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def shapes(self) -> np.ndarray:
        """``[count, axes]``, of every example."""
        if self._index is None:
            return np.broadcast_to(np.asarray(self.shape, np.int64), (len(self), len(self.shape)))
        return self._index[:, 1:]

    def gather(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The examples ``[b, ...]`` at these places; a list of views when their shapes differ, or when they are large.

        Of a large example a part is often all that is wanted, and of a view only what is read comes into memory.
        """
        if self._index is not None:
            return [self._one(int(i)) for i in indices]
        if self._examples[:1].nbytes > LARGE:
            return [self._examples[i] for i in indices]
        return np.take(self._examples, indices, axis=0)

    def _one(self, i: int) -> np.ndarray:
        assert self._index is not None
        start, *shape = self._index[i].tolist()
        return self._examples[start : start + int(np.prod(shape))].reshape(shape)


def open_cache(
    modality: Modality, items: Sequence[Item], root: Path, label: str, *, max_bad: float, progress: Progress | None = None, listed: str = ""
) -> Cache:
    """The cache of these items, made now if it does not exist.

    Args:
        root: the user's folder, for names relative to it.
        label: the modality's name.
        max_bad: the largest share of unreadable examples that is skipped; more is a DataError.
        listed: ``listing(items, root)``, where it is known already.
    """
    family = f"{label.replace('/', '-')}-{_hash(_settings(modality, label))[:8]}"
    folder = place(f"{family}-{fingerprint(modality, label, listed or listing(items, root))[:20]}")
    if not folder.exists():
        forget_abandoned(folder.parent)
        with building(folder) as partial:
            _fill(partial, modality, items, max_bad, progress, _Earlier(family, items))
    cache = Cache(folder)
    _refuse_many([(str(path), reason) for path, reason in cache.skipped], len(items), max_bad)  # it may have been made with another share
    return cache


def fingerprint(modality: Modality, label: str, listed: str) -> str:
    """A hash of everything that decides what the cache holds; ``listed`` is the items' ``listing``."""
    return _hash([*_settings(modality, label), listed])


def _settings(modality: Modality, label: str) -> list[Any]:
    """How examples are decoded."""
    return [FORMAT, label, modality.settings().model_dump(mode="json")]


def _hash(row: Any) -> str:
    return hashlib.blake2b(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _digest(item: Item) -> int:
    """What an example's file was when it was decoded, as a 64-bit number."""
    row = json.dumps([str(item.path.absolute()), item.part, *_stamp(item.path)]).encode()
    return int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "little")


class _Earlier:
    """Examples of earlier caches of the same settings, by what their files were.

    Args:
        family: the part of a cache's name that says how it was decoded.
        items: what is to be decoded; where no earlier cache is found, they are not looked at.
    """

    def __init__(self, family: str, items: Sequence[Item]) -> None:
        self.caches = [Cache(folder) for folder in _newest(family)]
        self.places = {int(digest): (cache, i) for cache in reversed(self.caches) for i, digest in enumerate(cache.digests)}
        self.digests = {(item.path, item.part): _digest(item) for item in items} if self.places else {}

    def digest(self, item: Item) -> int:
        return self.digests.get((item.path, item.part)) or _digest(item)

    def get(self, item: Item) -> Decoded | None:
        """The example and what was remarked on it; None where it is to be decoded."""
        if (found := self.places.get(self.digests.get((item.path, item.part), -1))) is None:
            return None
        cache, i = found
        (example,) = cache.gather(np.array([i]))
        return example, [text for path, text in cache.remarks if path == item.path]


def _newest(family: str) -> list[Path]:
    folders = [folder for folder in cache_root().glob(f"{family}-*") if (folder / "digests.npy").is_file()]
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)[:EARLIER]


def listing(items: Sequence[Item], root: Path) -> str:
    """A hash of the items' names, sizes, times and columns, without a look inside."""
    digest = hashlib.blake2b()
    base = root if root.is_dir() else root.parent
    for item in items:
        row = [os.path.relpath(item.path, base), item.part, *_stamp(item.path), dict(item.columns)]
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> list[Any]:
    """Size and time of a file, and whether it may not be read; of a folder that is one example, those of every file in it.

    A file that may not be read today may be read tomorrow, and its cache is another one then. Links that lead nowhere are no files.
    """
    stat = path.stat()
    if not path.is_dir():
        return [stat.st_size, stat.st_mtime_ns, *([] if os.access(path, os.R_OK) else ["unreadable"])]
    with os.scandir(path) as entries:
        files = [(entry.name, entry.stat()) for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _fill(
    folder: Path, modality: Modality, items: Sequence[Item], max_bad: float, progress: Progress | None, earlier: _Earlier
) -> None:
    skipped: list[tuple[str, str]] = []
    remarks: list[tuple[str, str]] = []
    columns: list[dict[str, Any]] = []
    index: list[tuple[int, ...]] = []
    digests: list[int] = []
    dtype, start, content = None, 0, hashlib.blake2b(digest_size=16)
    with open(folder / "examples.bin", "wb") as file:
        for done, (item, result, said) in enumerate(_decoded(modality, items, earlier), 1):
            if isinstance(result, DataError):
                skipped.append((str(item.path), str(result)))
                _refuse_many(skipped, len(items), max_bad)
            else:
                native = result.dtype.newbyteorder("=")
                dtype = dtype or native
                if native != dtype:
                    raise PluginError(f"{item.path} was read as {native}, and the examples before it as {dtype}: one type is needed.")
                flat = np.ascontiguousarray(result, dtype).reshape(-1)
                file.write(flat.data)
                content.update(flat.data)
                index.append((start, *result.shape))
                digests.append(earlier.digest(item))
                columns.append(dict(item.columns))
                remarks += [(str(item.path), text) for text in said]
                start += result.size
            if progress:
                progress(done, len(items), "decoding")
    if dtype is None:
        raise DataError(f"None of the {len(items)} files can be used, so there is nothing to train on.\n{_named(skipped)}")
    content.update(json.dumps(columns, sort_keys=True).encode())
    places = np.asarray(index, np.int64)
    same = (places[:, 1:] == places[0, 1:]).all(0)
    np.save(folder / "index.npy", places)
    np.save(folder / "digests.npy", np.asarray(digests, np.uint64))
    about = {
        "format": FORMAT,
        "shape": [int(n) if alike else None for n, alike in zip(places[0, 1:], same, strict=True)],
        "dtype": dtype.name,
        "skipped": skipped,
        "remarks": remarks,
        "columns": columns,
        "content": content.hexdigest(),
    }
    sync(folder / "examples.bin")
    sync(folder / "index.npy")
    sync(folder / "digests.npy")
    (folder / "cache.json").write_text(json.dumps(about), encoding="utf-8")
    sync(folder / "cache.json")


def too_many(skipped: int, total: int, max_bad: float) -> bool:
    """Whether so many are left out that a person must agree to it; a few are named one by one, and that will do."""
    return skipped > (max(max_bad * total, NAMED) if max_bad else 0)


def _refuse_many(skipped: list[tuple[str, str]], total: int, max_bad: float) -> None:
    """Stop once too many are bad for the folder to be what the user thinks it is."""
    if not too_many(len(skipped), total, max_bad):
        return
    raise DataError(
        f"More than {max_bad:.0%} of the {total} files cannot be used, which is too many to leave out unasked.\n{_named(skipped)}\n"
        "Repair or remove them, or allow more with --set data.max_bad=0.5."
    )


Decoded = tuple[np.ndarray | DataError, list[str]]


def _named(skipped: list[tuple[str, str]]) -> str:
    listed = "\n".join(f"  {reason}" for _, reason in skipped[:NAMED])
    return listed + (f"\n  … and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else "")


def _decoded(
    modality: Modality, items: Sequence[Item], earlier: _Earlier
) -> Iterator[tuple[Item, np.ndarray | DataError, list[str]]]:
    """Decode in order on a few threads, never more than a window ahead, so that memory stays bounded."""
    pending: deque[tuple[Item, Future[Decoded]]] = deque()
    rest = iter(items)

    def start(item: Item) -> tuple[Item, Future[Decoded]]:
        return item, pool.submit(copy_context().run, _read, modality, item, earlier)  # a thread knows nothing of the trial it works for

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        pending.extend(map(start, islice(rest, 64)))
        while pending:
            item, future = pending.popleft()
            yield item, *future.result()
            pending.extend(map(start, islice(rest, 1)))


def _read(modality: Modality, item: Item, earlier: _Earlier) -> Decoded:
    if found := earlier.get(item):
        return found
    with remarks() as said:
        try:
            return modality.read(item), said
        except DataError as error:
            if isinstance(error.__context__, OSError):
                _refuse_passing(error.__context__, item)
            return error, said
        except OSError as error:
            if is_full_disk(error):  # where large examples are spooled to; the file is not to blame
                raise
            _refuse_passing(error, item)
            return DataError(f"{item.path}: {error.strerror or error}"), said


PASSING = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT, errno.EINTR, errno.EAGAIN}
"""Errors that say something of the machine and nothing of the file."""


def _refuse_passing(error: OSError, item: Item) -> None:
    """Stop at a failure that may be gone the next time: in the cache it would stand for good."""
    if error.errno in PASSING:
        raise DataError(
            f"{item.path} could not be read: {error.strerror}. Try again, or remove the file; nothing was cached, as the fault may "
            "be the machine's and not the file's."
        ) from error
