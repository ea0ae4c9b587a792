"""AudioModality: recordings <-> int16 ``[c, n]``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import (
    Batch,
    Column,
    DataError,
    Description,
    Item,
    Modality,
    NumberColumn,
    Options,
    Rng,
    remark,
    scan_folder,
    slices,
    softened,
)

from .crop import crops, silent, trimmed
from .decode import SUFFIXES, Watch, decode, header
from .options import AudioOptions, AudioRequest, AudioSelection

START, TOTAL = "seconds_start", "seconds_total"
"""The conditions that ``timing`` sets: where in its recording a part begins, and how long that is.
"""

QUANTILES = 101

JUDGED_BANDS = 40
"""Mel bands that a judge of samples hears."""


def _drawn(quantiles: Sequence[int], uniform: np.ndarray) -> np.ndarray:
    """int64 ``[n]``: random numbers with these quantiles, by inversion of their distribution
    function.
    """
    return np.interp(uniform, np.linspace(0, 1, len(quantiles)), quantiles).round().astype(np.int64)


def _ranging(name: str, mean: float, std: float, low: float, high: float) -> NumberColumn:
    """A number's condition; the spread of what is always the same is one, not what rounding leaves
    of none.
    """
    return NumberColumn(
        name, mean=mean, std=std if std > 1e-7 * abs(mean) else 1.0, low=low, high=high
    )


def _many(channels: int) -> str:
    return f"{channels} channel{'s' * (channels > 1)}"


class AudioModality(Modality):
    """Sound.

    Raw units are int16 ``[c, n]`` from -32767 to 32767 at one rate, c being 1 or 2 by ``channels``.
    """

    options: AudioOptions
    repeats = (1,)

    @property
    def rate(self) -> int:
        """Samples per second; available once they are settled."""
        return self.settled("rate")

    @property
    def length(self) -> int:
        """Samples of a training example; available once they are settled."""
        return self.samples(self.settled("seconds"))

    @property
    def channels(self) -> int:
        return 1 if self.options.channels == "mono" else 2

    def samples(self, seconds: float) -> int:
        return max(1, round(seconds * self.rate))

    # --- files -> raw -----------------------------------------------------------------------------

    def scan(self, path: Path) -> list[Item]:
        return scan_folder(path, SUFFIXES)

    def fit(self, items: Sequence[Item]) -> AudioModality:
        from .measure import settle

        return self.with_options(**settle(self.options, items))

    def read(self, item: Item) -> np.ndarray:
        return self.read_watched(item, None)

    def read_watched(self, item: Item, watch: Watch | None) -> np.ndarray:
        """Like ``read``; ``watch`` is called with every block as it is stored."""
        o, path = self.options, item.path
        x = decode(path, self.rate, self.channels, watch)
        seconds = x.shape[1] / self.rate
        if seconds < o.shortest:
            raise DataError(
                f"{path} lasts {seconds:.3f} s, less than {o.shortest:g} s. Remove it, or take "
                "shorter ones: --shortest 0.01."
            )
        if o.silence != "keep" and silent(x):
            if self.channels == 1 and not silent(decode(path, self.rate, 2)):
                raise DataError(
                    f"{path} is silent in mono: its channels are opposite and cancel each other. "
                    "Keep both with --channels stereo, or turn one of them over."
                )
            raise DataError(
                f"{path} is silent throughout. Remove it, or have silence learnt: --silence keep."
            )
        return self._trimmed(x, path) if o.silence == "trim" else x

    def read_given(self, item: Item) -> np.ndarray:
        """The whole recording, with its silence; a remark says how it differs from the model's."""
        about = header(item.path)
        if (about.rate, about.channels) != (self.rate, self.channels):
            remark(
                f"has {about.rate} samples per second and {_many(about.channels)}; the result has "
                f"{self.rate} and {_many(self.channels)}, as the model's recordings"
            )
        return decode(item.path, self.rate, self.channels)

    def _trimmed(self, x: np.ndarray, path: Path) -> np.ndarray:
        kept = trimmed(x, self.rate)
        if (seconds := kept.shape[1] / self.rate) < self.options.shortest:
            raise DataError(
                f"{path} has {seconds:.3f} s of sound between its silent ends, less than "
                f"{self.options.shortest:g} s. Remove it, or take shorter ones: --shortest 0.01."
            )
        return kept

    def perceive(self, example: np.ndarray) -> np.ndarray:
        """The loudness of each mel band over time ``[c, mels, frames]``."""
        from .bands import LogMel
        from .options import BandsOptions

        raw = Batch(torch.from_numpy(np.array(example)[None]))
        return LogMel(BandsOptions(mels=JUDGED_BANDS), self.rate)(raw)[0].numpy()

    # --- raw batches ------------------------------------------------------------------------------

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        totals = np.asarray(shapes)[:, 1].astype(np.float64)
        quantiles = np.quantile(totals, np.linspace(0, 1, QUANTILES)).round().astype(int)
        extra = {"rate": self.rate, "totals": quantiles.tolist()}
        return (
            (self.channels, self.length),
            extra,
            self._timing(totals / self.rate) if self.options.timing else (),
        )

    def _timing(self, totals: np.ndarray) -> tuple[Column, ...]:
        """What the conditions of ``timing`` range over, for recordings of these seconds and starts
        that are uniform in each.
        """
        last = np.maximum(totals - self.length / self.rate, 0)
        mean = float(last.mean() / 2)
        std = math.sqrt(max(float((last**2).mean()) / 3 - mean**2, 0))
        return _ranging(START, mean, std, 0.0, float(last.max())), _ranging(
            TOTAL,
            float(totals.mean()),
            float(totals.std()),
            float(totals.min()),
            float(totals.max()),
        )

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        x, mask, starts, totals = crops(examples, self.length, rng, self.options.silence)
        raw = Batch(torch.from_numpy(x), mask=None if mask is None else torch.from_numpy(mask))
        return (
            raw.with_cond(**{START: self._seconds(starts), TOTAL: self._seconds(totals)})
            if self.options.timing
            else raw
        )

    def _seconds(self, samples: np.ndarray) -> torch.Tensor:
        return torch.from_numpy((samples / self.rate).astype(np.float32))

    def template(self, description: Description, n: int, rng: Rng, request: Options) -> Batch:
        """As long as requested.

        By default the starts of recordings, whose lengths are distributed as in the data.
        """
        asked = request.seconds if isinstance(request, AudioRequest) else 0.0
        length = self.samples(asked) if asked else self.length
        totals = (
            np.full(n, length)
            if asked
            else _drawn(description.extra["totals"], rng.uniform((n,)).cpu().numpy())
        )
        real = torch.arange(length) < torch.from_numpy(totals)[:, None]
        varying = not asked and description.extra["totals"][0] < length
        raw = Batch(
            torch.zeros(n, self.channels, length, dtype=torch.int16, device=rng.device),
            mask=real[:, None].to(rng.device) if varying else None,
        )
        if not self.options.timing:
            return raw
        seen = description.extra["totals"]  # outside this range the model has seen nothing
        seconds = self._seconds(totals.clip(seen[0], seen[-1]))
        return raw.with_cond(
            **{START: torch.zeros(n, device=rng.device), TOTAL: seconds.to(rng.device)}
        )

    def request_of(self, shape: Sequence[int]) -> dict[str, Any]:
        return {"seconds": shape[1] / self.rate}

    def feature_network(self, name: str) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        from .networks import network

        return network(name, self.rate)

    def rights(self, path: Path) -> dict[str, str]:
        from .rights import rights

        return rights(path)

    # --- raw -> files -----------------------------------------------------------------------------

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        from .write import write

        return write(
            example,
            self.rate,
            stem,
            request.format if isinstance(request, AudioRequest) else "wav",
            info,
        )

    def preview(
        self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()
    ) -> Path:
        return self.overlay(examples, (), stem, titles)

    def overlay(
        self,
        examples: Sequence[np.ndarray],
        marks: Sequence[np.ndarray | None],
        stem: Path,
        titles: Sequence[str] = (),
    ) -> Path:
        from difftool import replacing

        from .sheet import sheet

        path = stem.with_name(stem.name + ".png")
        with replacing(path) as partial:
            partial.write_bytes(sheet(examples, self.rate, titles, marks))
        return path

    def select(
        self, example: np.ndarray, selection: Options
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The recording ``[c, n]`` with silence around it, and what is meant ``[1, n]``."""
        assert isinstance(selection, AudioSelection)
        meant = np.zeros((1, example.shape[1]), bool)
        for part in selection.span.split(",") if selection.span else ():
            meant[:, slices(part, example.shape[1:], "--span", self.rate)[0]] = True
        around = [round(s * self.rate) for s in (selection.before, selection.after)]
        if any(around):
            example = np.pad(example, ((0, 0), around))
            meant = np.pad(meant, ((0, 0), around), constant_values=True)
        if not (selection.span or any(around)):
            return example, None
        soft = round(selection.soft * self.rate)
        return example, softened(meant, (0, soft)) if soft else meant

    def put_back(self, made: np.ndarray, example: np.ndarray, selected: np.ndarray) -> np.ndarray:
        """The known samples exactly, and what was made between them, without a click."""
        if selected.dtype != bool or made.shape != example.shape or selected.all():
            return super().put_back(made, example, selected)
        from .joins import joined

        return joined(made, example, selected, self.rate)

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)
