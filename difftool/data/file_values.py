"""The files that a column names: found, read as examples are, and kept in the cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..column import Value
from ..conditioners.file_column import FileColumn
from ..errors import DataError
from ..files import building
from ..modality import Item, Modality
from ..names import local_path
from .bound import bounded
from .cache import cache_path, listing

AT_ONCE = 32
"""Files that a network sees together."""


class FileValues(Sequence[Value]):
    """What is kept of the file of each example; None where an example names none.

    Args:
        places: for each example the number of its file, -1 for none.
        kept: what is kept of each file: an array, or what has ``gather``.
    """

    def __init__(self, places: np.ndarray, kept: np.ndarray) -> None:
        self._places, self._kept = places, kept

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, i: int) -> np.ndarray | None:  # type: ignore[override]
        return None if (place := self._places[i]) < 0 else self._kept[place]


def file_values(
    column: FileColumn,
    names: Sequence[str] | np.ndarray,
    modality: Modality,
    root: Path,
    label: str,
) -> tuple[FileColumn, FileValues]:
    """The column with its shape, and the values of each example.

    Raises DataError for a file that is missing or cannot be read.

    Args:
        names: for each example the file that it names; empty for none.
        root: the folder of the data.
        label: name of the modality.
    """
    paths = list(dict.fromkeys(found_files(column.name, names, root)))
    items = [_item(path, modality, column.name) for path in paths]
    kept = _taken(column, items, modality, root, label)
    number = {path: i for i, path in enumerate(paths)}
    places = [number[_found(column.name, name, root)] if name else -1 for name in names]
    return replace(column, shape=kept.shape[1:]), FileValues(np.array(places), kept)


def read_value(column: FileColumn, value: Value, modality: Modality) -> Value:
    """What is kept of a file that a user names; None for None.

    Raises DataError.
    """
    if not isinstance(value, str):
        return value
    item = _item(Path(value), modality, column.name)
    with bounded(item.path):
        (kept,) = column.taken([column.read_file(item, modality)], modality)
    return kept


def found_files(column: str, names: Iterable[str], root: Path) -> list[Path]:
    """The files that cells name. Raises DataError for one that is missing."""
    return [_found(column, name, root) for name in names if name]


def _found(column: str, name: str, root: Path) -> Path:
    """A file by its name, relative to the folder of the data or to that of its table."""
    base = root if root.is_dir() else root.parent
    for folder in (base, base / "train"):
        if (path := folder / local_path(name)).exists():
            return path
    raise DataError(
        f"The column {column} names {name}, which does not exist in {base}. Write names of files "
        "relative to the folder of the data."
    )


def _item(path: Path, modality: Modality, name: str) -> Item:
    items = modality.scan(path)
    if len(items) != 1:
        raise DataError(f"{path} holds {len(items)} examples. {name} takes a file with one.")
    return items[0]


def _taken(
    column: FileColumn, items: Sequence[Item], modality: Modality, root: Path, label: str
) -> np.ndarray:
    """What is kept of each file, ``[files, ...]``, from the cache where it was made before."""
    about = [column.to_json(), modality.settings().model_dump(mode="json"), _stamp(column)]
    stamp = hashlib.blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=10)
    stamp.update(listing(items, root).encode())
    folder = cache_path(f"files/{label.replace('/', '-')}-{stamp.hexdigest()}")
    if not folder.exists():
        with building(folder) as partial:
            np.save(partial / "kept.npy", _made(column, items, modality))
    return np.load(folder / "kept.npy", mmap_mode="r")


def _made(column: FileColumn, items: Sequence[Item], modality: Modality) -> np.ndarray:
    kept = list[np.ndarray]()
    for at in range(0, len(items), AT_ONCE):
        examples = []
        for item in items[at : at + AT_ONCE]:
            with bounded(item.path):
                examples.append(column.read_file(item, modality))
        kept += column.taken(examples, modality)
    if len(shapes := {one.shape for one in kept}) > 1:
        one, other = ("x".join(map(str, shape)) for shape in sorted(shapes)[:2])
        raise DataError(
            f"The files of {column.name} differ in size, such as {one} and {other}. Bring all of "
            "them to one size."
        )
    return np.stack(kept)


def _stamp(column: FileColumn) -> list[float]:
    """Sizes and times of the files of the column's network."""
    folder = local_path(getattr(column, "network", ""))
    if not getattr(column, "network", "") or not folder.is_dir():
        return []
    return [
        n for file in sorted(folder.iterdir()) for n in (file.stat().st_size, file.stat().st_mtime)
    ]
