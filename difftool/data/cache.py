"""The cache: every example decoded once, into one memory-mapped file outside the user's folder.

The name of a cache is a fingerprint of its inputs: each file's name, size and time, the columns,
and the settings of decoding. A changed folder therefore gets a new cache, and an unchanged one is
opened in milliseconds. A new cache copies examples from earlier caches with the same settings, so
that one more file does not decode all the others again.
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

from ..errors import DataError, PluginError, is_out_of_memory
from ..files import building, forget_abandoned, is_full_disk, make_folder, sync
from ..files import cache_root as cache_root
from ..modality import Item, Modality
from .bound import bounded
from .parallel import too_little_memory
from .remark import remarks

FORMAT = 5

EARLIER = 4
"""Number of earlier caches with the same settings that may supply decoded examples."""

NAMED = 10
"""Number of skipped examples that a message names; further ones are only counted."""

LARGE = 1 << 16
"""Size of an example in bytes above which batches hold views instead of copies."""

Progress = Callable[[int, int, str], None]


_trial: ContextVar[Path | None] = ContextVar("trial", default=None)


@contextmanager
def trial_cache() -> Iterator[None]:
    """Inside the block, new caches go to a temporary folder, which is removed at the end."""
    with TemporaryDirectory(prefix="difftool-trial-") as folder:
        token = _trial.set(Path(folder))
        try:
            yield
        finally:
            _trial.reset(token)


def cache_path(name: str) -> Path:
    """The path of a cache entry, whether it exists or not.

    Raises:
        UsageError: it does not exist and cannot be written.
    """
    usual, trial = cache_root() / name, _trial.get()
    path = usual if trial is None or usual.exists() else trial / name
    if not path.exists():
        make_folder(path.parent)
    return path


def workspace() -> Path:
    """An existing folder for temporary files, on the disk of the cache, which has room for them."""
    root = _trial.get() or cache_root()
    make_folder(root)
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
            raise DataError(
                f"The cache {folder} is damaged. Remove this folder; difftool then builds it "
                f"again from the data. ({error})"
            ) from None

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
        # Slicing a plain array is ten times as fast as slicing a memmap.
        flat = np.asarray(np.memmap(folder / "examples.bin", self.dtype, "r"))
        self._index = None if None not in self.shape else np.load(folder / "index.npy")
        self._examples = (
            flat if self._index is not None else flat.reshape(len(self.columns), *self.shape)
        )

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def shapes(self) -> np.ndarray:
        """``[count, axes]``: the shape of every example."""
        if self._index is None:
            return np.broadcast_to(np.asarray(self.shape, np.int64), (len(self), len(self.shape)))
        return self._index[:, 1:]

    def gather(self, indices: np.ndarray) -> np.ndarray | list[np.ndarray]:
        """The examples ``[b, ...]`` at these indices; a list of views if shapes differ or are
        large.

        Training often reads only a part of a large example, and a view loads only what is read.
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
    modality: Modality,
    items: Sequence[Item],
    root: Path,
    label: str,
    *,
    max_bad: float,
    progress: Progress | None = None,
    listed: str = "",
    before: Callable[[], None] = lambda: None,
) -> Cache:
    """Open the cache of these items, and build it first if it does not exist.

    Args:
        root: the user's folder; names are relative to it.
        label: the modality's name.
        max_bad: the largest share of unreadable examples that is skipped.
        listed: ``listing(items, root)``, if the caller has it already.
        before: called before the cache is built.

    Raises:
        DataError: more than ``max_bad`` of the examples are unreadable.
    """
    family = f"{label.replace('/', '-')}-{_hash(_settings(modality, label))[:8]}"
    folder = cache_path(
        f"{family}-{fingerprint(modality, label, listed or listing(items, root))[:20]}"
    )
    if not folder.exists():
        forget_abandoned(folder.parent)
        before()
        with building(folder) as partial:
            _fill(partial, modality, items, max_bad, progress, _Earlier(family, items))
    cache = Cache(folder)
    # The cache may have been built with a larger max_bad.
    _refuse_many([(str(path), reason) for path, reason in cache.skipped], len(items), max_bad)
    return cache


def fingerprint(modality: Modality, label: str, listed: str) -> str:
    """A hash of all that the content of a cache depends on; ``listed`` is ``listing(...)``."""
    return _hash([*_settings(modality, label), listed])


def _settings(modality: Modality, label: str) -> list[Any]:
    """The settings that decoding depends on."""
    return [FORMAT, label, modality.settings().model_dump(mode="json")]


def _hash(row: Any) -> str:
    return hashlib.blake2b(json.dumps(row, sort_keys=True).encode()).hexdigest()


def _digest(item: Item) -> int:
    """A 64-bit hash of an example's path, part, and file stamp when it was decoded."""
    row = json.dumps([str(item.path.absolute()), item.part, *_stamp(item.path)]).encode()
    return int.from_bytes(hashlib.blake2b(row, digest_size=8).digest(), "little")


class _Earlier:
    """Examples in earlier caches with the same settings, found by the digests of their files.

    Args:
        family: the part of a cache's name that identifies the settings of decoding.
        items: the items to decode; they are not read if there is no earlier cache.
    """

    def __init__(self, family: str, items: Sequence[Item]) -> None:
        self.caches = [Cache(folder) for folder in _newest(family)]
        self.found = {
            int(digest): (cache, i)
            for cache in reversed(self.caches)
            for i, digest in enumerate(cache.digests)
        }
        self.digests = (
            {(item.path, item.part): _digest(item) for item in items} if self.found else {}
        )

    def digest(self, item: Item) -> int:
        return self.digests.get((item.path, item.part)) or _digest(item)

    def get(self, item: Item) -> Decoded | None:
        """The example and the remarks on it; None if it must be decoded."""
        if (found := self.found.get(self.digests.get((item.path, item.part), -1))) is None:
            return None
        cache, i = found
        (example,) = cache.gather(np.array([i]))
        return example, [text for path, text in cache.remarks if path == item.path]


def _newest(family: str) -> list[Path]:
    folders = [
        folder for folder in cache_root().glob(f"{family}-*") if (folder / "digests.npy").is_file()
    ]
    return sorted(folders, key=lambda folder: folder.stat().st_mtime, reverse=True)[:EARLIER]


def listing(items: Sequence[Item], root: Path) -> str:
    """A hash of the items' names, sizes, times and columns; no file is opened."""
    digest = hashlib.blake2b()
    base = root if root.is_dir() else root.parent
    for item in items:
        row = [os.path.relpath(item.path, base), item.part, *_stamp(item.path), dict(item.columns)]
        digest.update(json.dumps(row, sort_keys=True).encode())
    return digest.hexdigest()


def _stamp(path: Path) -> list[Any]:
    """Size, time and readability of a file, or of each file in a folder that is one example.

    A change of permissions must lead to a new cache, so readability is included. Broken links are
    ignored.
    """
    stat = path.stat()
    if not path.is_dir():
        return [
            stat.st_size,
            stat.st_mtime_ns,
            *([] if os.access(path, os.R_OK) else ["unreadable"]),
        ]
    with os.scandir(path) as entries:
        files = [
            (entry.name, entry.stat())
            for entry in entries
            if entry.is_file() and not entry.name.startswith(".")
        ]
    return sorted((name, stat.st_size, stat.st_mtime_ns) for name, stat in files)


def _fill(
    folder: Path,
    modality: Modality,
    items: Sequence[Item],
    max_bad: float,
    progress: Progress | None,
    earlier: _Earlier,
) -> None:
    skipped: list[tuple[str, str]] = []
    remarks: list[tuple[str, str]] = []
    columns: list[dict[str, Any]] = []
    index: list[tuple[int, ...]] = []
    digests: list[int] = []
    dtype, start, content = None, 0, hashlib.blake2b(digest_size=16)
    with open(folder / "examples.bin", "wb") as file:
        for done, (item, result, texts) in enumerate(_decoded(modality, items, earlier), 1):
            if isinstance(result, DataError):
                skipped.append((str(item.path), str(result)))
                _refuse_many(skipped, len(items), max_bad)
            else:
                native = result.dtype.newbyteorder("=")
                dtype = dtype or native
                if native != dtype:
                    raise PluginError(
                        f"The modality read {item.path} as {native}, but earlier examples as "
                        f"{dtype}. Its read() must always return one dtype."
                    )
                for part in _flat(result.astype(dtype, copy=False)):
                    file.write(part.data)
                    content.update(part.data)
                index.append((start, *result.shape))
                digests.append(earlier.digest(item))
                columns.append(dict(item.columns))
                remarks += [(str(item.path), text) for text in texts]
                start += result.size
            if progress:
                progress(done, len(items), "decoding")
    if dtype is None:
        raise DataError(
            f"None of the {len(items)} files can be used, so there is nothing to train "
            f"on.\n{_named(skipped)}"
        )
    content.update(json.dumps(columns, sort_keys=True).encode())
    table = np.asarray(index, np.int64)
    same = (table[:, 1:] == table[0, 1:]).all(0)
    np.save(folder / "index.npy", table)
    np.save(folder / "digests.npy", np.asarray(digests, np.uint64))
    about = {
        "format": FORMAT,
        "shape": [int(n) if alike else None for n, alike in zip(table[0, 1:], same, strict=True)],
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


def _flat(example: np.ndarray) -> Iterator[np.ndarray]:
    """The bytes of an example in order; what may be larger than memory is not copied whole."""
    parts = [example] if example.flags.c_contiguous or not example.ndim else example
    return (np.ascontiguousarray(part).reshape(-1) for part in parts)


def too_many(skipped: int, total: int, max_bad: float) -> bool:
    """Whether so many examples are skipped that the user must agree; a few are only named."""
    return skipped > (max(max_bad * total, NAMED) if max_bad else 0)


def _refuse_many(skipped: list[tuple[str, str]], total: int, max_bad: float) -> None:
    """Raise DataError if too many examples are bad: the folder is then probably a wrong one."""
    if not too_many(len(skipped), total, max_bad):
        return
    raise DataError(
        f"More than {max_bad:.0%} of the {total} files cannot be used, which is too many to skip "
        f"silently.\n{_named(skipped)}\nRepair or remove them, or allow more with --set "
        "data.max_bad=0.5."
    )


Decoded = tuple[np.ndarray | DataError, list[str]]


def _named(skipped: list[tuple[str, str]]) -> str:
    listed = "\n".join(f"  {reason}" for _, reason in skipped[:NAMED])
    return listed + (f"\n  … and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else "")


def _decoded(
    modality: Modality, items: Sequence[Item], earlier: _Earlier
) -> Iterator[tuple[Item, np.ndarray | DataError, list[str]]]:
    """Decode in order on a few threads, at most 64 items ahead, so that memory stays bounded."""
    pending: deque[tuple[Item, Future[Decoded]]] = deque()
    rest = iter(items)

    def start(item: Item) -> tuple[Item, Future[Decoded]]:
        # Threads do not inherit context variables; trial_cache() uses one.
        return item, pool.submit(copy_context().run, _read, modality, item, earlier)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        pending.extend(map(start, islice(rest, 64)))
        while pending:
            item, future = pending.popleft()
            yield item, *future.result()
            pending.extend(map(start, islice(rest, 1)))


def _read(modality: Modality, item: Item, earlier: _Earlier) -> Decoded:
    if found := earlier.get(item):
        return found
    with remarks() as texts:
        try:
            with bounded(item.path):
                return modality.read(item), texts
        except DataError as error:
            if isinstance(error.__context__, OSError):
                _refuse_passing(error.__context__, item)
            return error, texts
        except OSError as error:
            if is_full_disk(error):  # spooling a large example failed, so the file is not damaged
                raise
            _refuse_passing(error, item)
            return DataError(f"{item.path}: {error.strerror or error}"), texts
        except Exception as error:
            if is_out_of_memory(error):
                raise too_little_memory(item.path) from error
            raise


PASSING = {
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ESTALE,
    errno.ETIMEDOUT,
    errno.EINTR,
    errno.EAGAIN,
}
"""Errors of the machine, not of the file."""


def _refuse_passing(error: OSError, item: Item) -> None:
    """Raise DataError at a passing failure of the machine: the cache would keep it for ever."""
    if error.errno in PASSING:
        raise DataError(
            f"{item.path} could not be read: {error.strerror}. Try again, or remove the file. "
            "Nothing was cached, because the fault may be in the machine, not in the file."
        ) from error
