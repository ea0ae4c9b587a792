"""Prepared examples of a whole data set on disk: what a representation encoded once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..errors import DataError, PluginError
from ..files import sync
from ..rng import Rng

ABSENT = {"mask": True, "observed": False}
"""What an entry of these tensors is where a batch has none."""


class Encoded:
    """Prepared examples, read without copying the files into memory.

    Args:
        folder: what ``write_encoded`` filled.

    Attributes:
        variants: how often each example is there, each time with other random changes.
    """

    def __init__(self, folder: Path) -> None:
        try:
            about = json.loads((folder / "encoded.json").read_text(encoding="utf-8"))
            self.noise_free = bool(about["noise_free"])
            self.variants = int(about.get("variants", 1))
            self._arrays = {
                name: np.load(folder / f"{i}.npy", mmap_mode="r")
                for i, name in enumerate(about["names"])
            }
            self._x = self._arrays["x"]
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"The cache {folder} is damaged. Remove that folder, and the data is encoded again."
                f" ({error})"
            ) from None

    def __len__(self) -> int:
        return len(self._x) // self.variants

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    def batch(self, indices: np.ndarray, rng: Rng | None = None) -> Batch:
        """The prepared examples at these places, on the CPU, without the data's own conditions.

        Args:
            rng: draws the variant of each; None for the first ones.
        """
        if rng is not None and self.variants > 1:
            variant = (rng.uniform((len(indices),)) * self.variants).long().numpy()
            indices = indices + len(self) * variant
        rows = {
            name: torch.from_numpy(np.take(array, indices, axis=0))
            for name, array in self._arrays.items()
        }
        for name, absent in ABSENT.items():
            if name in rows and bool((rows[name] == absent).all()):
                del rows[name]  # as if each batch had been encoded by itself
        cond = {name[5:]: rows[name] for name in rows if name.startswith("cond.")}
        mask, observed = rows.get("mask"), rows.get("observed")
        return Batch(rows["x"], cond, mask, observed, self.noise_free)


def write_encoded(
    folder: Path, count: int, prepared: Iterable[Batch], columns: Iterable[str], variants: int = 1
) -> Iterator[int]:
    """Fill a folder with ``count`` prepared examples, batch by batch; all of them in one variant
    after all in another.

    Args:
        count: with all variants.
        columns: conditions of the data, which are not written: the data set has their values.

    Yields:
        how many are written, after each batch.

    Raises:
        PluginError: the batches do not have the same tensors, shapes and types.
    """
    skipped, done = {f"cond.{name}" for name in columns}, 0
    arrays: dict[str, np.ndarray] = {}
    first: Batch | None = None
    for batch in prepared:
        first = first or batch
        rows = {name: t for name, t in _tensors(batch).items() if name not in skipped}
        other = arrays and {*rows, *ABSENT} != {*arrays, *ABSENT}
        if other or batch.noise_free != first.noise_free:
            raise PluginError("prepare() gave other tensors for some examples than for others.")
        for name, tensor in rows.items():
            if name not in arrays:
                arrays[name] = _created(folder / f"{len(arrays)}.npy", count, name, tensor)
            _write(arrays[name], name, done, tensor, len(batch))
        done += len(batch)
        yield done
    assert first is not None, "a data set has examples"
    for i, array in enumerate(arrays.values()):
        array.flush()  # type: ignore[attr-defined]  # a memory map's
        sync(folder / f"{i}.npy")
    about = {"names": list(arrays), "noise_free": first.noise_free, "variants": variants}
    (folder / "encoded.json").write_text(json.dumps(about), encoding="utf-8")
    sync(folder / "encoded.json")


def _tensors(batch: Batch) -> Mapping[str, Tensor]:
    named: dict[str, Any] = {"x": batch.x, "mask": batch.mask, "observed": batch.observed}
    named |= {f"cond.{name}": value for name, value in batch.cond.items()}
    return {name: tensor for name, tensor in named.items() if tensor is not None}


def _created(path: Path, count: int, name: str, tensor: Tensor) -> np.ndarray:
    shape = (count, *tensor.shape[1:])
    dtype = tensor[:0].cpu().numpy().dtype
    array = np.lib.format.open_memmap(path, "w+", dtype=dtype, shape=shape)
    if ABSENT.get(name):
        array[:] = True
    return array


def _write(array: np.ndarray, name: str, start: int, tensor: Tensor, size: int) -> None:
    """Rows from ``start`` on; one row that all examples share is written for each."""
    rows = tensor.detach().cpu().numpy()
    if rows.shape[1:] != array.shape[1:] or rows.dtype != array.dtype or len(rows) not in (1, size):
        raise PluginError(
            f"prepare() gave {name} of shape {list(rows.shape[1:])} and type {rows.dtype} for some "
            f"examples, and {list(array.shape[1:])} and {array.dtype} for others. A cached "
            "representation must encode all examples alike."
        )
    array[start : start + size] = rows
