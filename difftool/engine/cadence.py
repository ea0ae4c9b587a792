"""When something is due. Functions of the step alone, so that every process, and every resumed run, agrees."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import EmaOptions, TrainOptions


@dataclass(frozen=True, slots=True)
class Cadence:
    """Steps are counted from 1: step n is the n-th that was taken."""

    train: TrainOptions
    ema: EmaOptions

    def logs(self, step: int) -> bool:
        """Metrics are written; early on at 1, 2, 4, 8, …, since a loss changes most in the beginning."""
        return step % self.train.log_every == 0 or (step < self.train.log_every and step & (step - 1) == 0)

    def snapshots(self, step: int) -> bool:
        """The power averages are kept as they stand."""
        return bool(self.ema.snapshot_every) and (step % self.ema.snapshot_every == 0 or step == self.train.steps)

    def saves(self, step: int) -> bool:
        """A checkpoint is written. A snapshot comes with one: it could not be made again after a kill."""
        return step % self.train.save_every == 0 or step == self.train.steps or self.snapshots(step)

    def previews(self, step: int) -> bool:
        """A sheet of previews is made."""
        every = self.train.preview_every
        return bool(self.train.preview) and (step == self.train.steps or (bool(every) and step % every == 0))
