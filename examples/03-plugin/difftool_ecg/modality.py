"""Ecg: .csv files <-> float32 ``[1, n]``, in millivolts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import (
    Batch,
    DataError,
    Description,
    Item,
    Modality,
    Options,
    Rng,
    creating,
    pick_evenly,
    readable,
    scan_folder,
)

from .options import EcgOptions, EcgRequest


class Ecg(Modality):
    """Signals with one length."""

    options: EcgOptions

    def scan(self, path: Path) -> list[Item]:
        # Also reads classes (subfolders), captions and metadata.csv.
        return scan_folder(path, (".csv",))

    def fit(self, items: Sequence[Item]) -> Ecg:
        if self.options.length != "auto":
            return self
        return self.with_options(
            length=min(len(one) for one in readable(_signal, pick_evenly(items, 100)))
        )

    def read(self, item: Item) -> np.ndarray:
        signal, length = _signal(item.path), self.settled("length")
        if len(signal) < length:
            raise DataError(
                f"{item.path} has {len(signal)} readings, but {length} are needed. Remove the file, or set length."
            )
        return signal[None, :length]

    def template(self, description: Description, n: int, rng: Rng, request: Options) -> Batch:
        length = (
            request.length
            if isinstance(request, EcgRequest) and request.length
            else self.settled("length")
        )
        return Batch(torch.zeros(n, 1, length, device=rng.device))

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        path = stem.with_name(stem.name + ".csv")
        with creating(path) as partial:  # atomic, and never overwrites a file
            np.savetxt(
                partial,
                example[0],
                fmt="%.5f",
                header="\n".join(f"{name}: {value}" for name, value in info.items()),
            )
        return path

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)


def _signal(path: Path) -> np.ndarray:
    """float32 ``[n]``."""
    try:
        # numpy warns about an empty file; the check below raises.
        with warnings.catch_warnings(action="ignore"):
            signal = np.loadtxt(path, np.float32, ndmin=1)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read: {error}. It should hold one number on each line."
        ) from None
    if signal.ndim != 1 or not len(signal) or not np.isfinite(signal).all():
        raise DataError(
            f"{path} does not hold one finite number on each line. Repair or remove the file."
        )
    return signal
