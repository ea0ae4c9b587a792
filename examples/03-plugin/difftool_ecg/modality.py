"""Ecg: .csv files <-> float32 ``[1, n]``, in millivolts."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import Batch, Condition, DataError, Description, Finding, Item, Modality, Options, Rng, scan_folder

from .options import EcgOptions, EcgRequest


class Ecg(Modality):
    """Signals of one length."""

    def __init__(self, options: EcgOptions) -> None:
        self.options = options

    # --- files -> raw ---

    def scan(self, path: Path) -> list[Item]:
        return scan_folder(path, (".csv",))  # subfolders become classes; metadata.csv, captions and the errors come with it

    def fit(self, items: Sequence[Item]) -> Ecg:
        if self.options.length != "auto":
            return self
        return Ecg(EcgOptions(length=min(len(_signal(item.path)) for item in items[:: len(items) // 100 + 1])))

    def settings(self) -> Options:
        return self.options

    def read(self, item: Item) -> np.ndarray:
        signal, length = _signal(item.path), self._length
        if len(signal) < length:
            raise DataError(f"{item.path} has {len(signal)} readings, and {length} are needed. Leave it out, or set length.")
        return signal[None, :length]

    @property
    def _length(self) -> int:
        assert isinstance(self.options.length, int), "fit comes first"
        return self.options.length

    # --- raw batches ---

    def describe(self, shapes: np.ndarray) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Condition, ...]]:
        return (1, self._length), {}, ()

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        return Batch(torch.from_numpy(np.asarray(examples, np.float32)))

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        return raw

    def template(self, description: Description, n: int, rng: Rng, request: Options) -> Batch:
        length = request.length if isinstance(request, EcgRequest) and request.length else self._length
        return Batch(torch.zeros(n, 1, length))

    # --- raw -> files ---

    def write(self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options) -> Path:
        path = stem.with_name(stem.name + ".csv")
        with open(path, "x", encoding="utf-8") as file:  # "x": never over a file that exists
            file.writelines(f"# {name}: {value}\n" for name, value in info.items())
            np.savetxt(file, example[0], fmt="%.5f")
        return path

    def preview(self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()) -> Path:
        """One line below another, as on paper."""
        path = stem.with_name(stem.name + ".svg")
        lines = [
            "<polyline fill='none' stroke='black' points='"
            + " ".join(f"{x},{40 * row + 30 - 15 * y:.1f}" for x, y in enumerate(one[0]))
            + "'/>"
            for row, one in enumerate(examples)
        ]
        width, height = max(one.shape[1] for one in examples), 40 * len(examples)
        path.write_text(f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'>{''.join(lines)}</svg>", encoding="utf-8")
        return path

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)

    def check(self, items: Sequence[Item]) -> Iterable[Finding]:
        lengths = [len(_signal(item.path)) for item in items[:100]]
        yield Finding("ok", f"{len(items)} signals, {min(lengths)} to {max(lengths)} readings long")


def _signal(path: Path) -> np.ndarray:
    """float32 ``[n]``."""
    try:
        with warnings.catch_warnings(action="ignore"):  # numpy warns of an empty file; here that is an error
            signal = np.loadtxt(path, np.float32, ndmin=1)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}. It should hold one number on each line.") from None
    if signal.ndim != 1 or not len(signal) or not np.isfinite(signal).all():
        raise DataError(f"{path} should hold one finite number on each line, and does not.")
    return signal
