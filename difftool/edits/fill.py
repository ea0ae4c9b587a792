"""Fill: what is selected is made anew (Song et al. 2021, arXiv:2011.13456, App. I.2)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..edit import Edit, Given, Start
from .options import FillOptions, LoopOptions


class Fill(Edit):
    """Sampling from noise. The entries that are not selected are kept at every step."""

    options: FillOptions
    selects = True

    @property
    def follows(self) -> bool | None:  # type: ignore[override]  # by the options
        return None if self.options.method == "auto" else self.options.method == "guidance"

    @property
    def best_of(self) -> int:  # type: ignore[override]
        return self.options.best_of

    def start(self, given: Given) -> Start:
        return Start(given.noise * given.sigmas[0], given.sigmas)


class Extend(Fill):
    """What is added around the example is made."""

    extends = True


class Loop(Fill):
    """The example goes on where it ends: the last entry is followed by the first.

    The ends are brought to the middle, where a band around the join is made anew, as a part of an
    ordinary example. Then they are moved back. Where bands cross, the ends of one lie at the ends of
    the example, and where all of it is made anew there is no band: then D is evaluated in windows
    that go round.
    """

    options: LoopOptions
    selects = False
    loops = True

    @property
    def entrywise(self) -> bool:  # type: ignore[override]  # a phase would not go round
        return self.options.width == 1

    def circles(self, axes: Sequence[int]) -> Sequence[int]:
        chosen = self._chosen(axes)
        return chosen if self.options.width == 1 or len(chosen) > 1 else ()

    def before(
        self, example: np.ndarray, selected: np.ndarray | None, axes: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        del selected
        if self.options.width == 1:
            return example, None
        marks = np.zeros(example.shape, bool)
        for axis in self._chosen(axes):
            size = example.shape[axis]
            half = max(1, round(self.options.width * size / 2))
            band = [slice(None)] * example.ndim
            band[axis] = slice(size // 2 - half, size // 2 + half)
            marks[tuple(band)] = True
            example = np.roll(example, size // 2, axis)
        return example, marks

    def after(self, made: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        if self.options.width == 1:
            return made
        for axis in self._chosen(axes):
            made = np.roll(made, -(made.shape[axis] // 2), axis)
        return made

    def _chosen(self, axes: Sequence[int]) -> Sequence[int]:
        return {"all": axes, "first": axes[:1], "last": axes[-1:]}[self.options.along]
