"""Which steps save, log and preview: functions of the step, the same in every process and run."""

from __future__ import annotations

from dataclasses import dataclass

from ..settings import EmaOptions, TrainOptions


@dataclass(frozen=True, slots=True)
class Cadence:
    """Steps count from 1."""

    train: TrainOptions
    ema: EmaOptions

    def logs(self, step: int) -> bool:
        """Whether metrics are written: at steps 1, 2, 4, 8, … too, where the loss changes most."""
        return step % self.train.log_every == 0 or (
            step < self.train.log_every and step & (step - 1) == 0
        )

    def snapshots(self, step: int) -> bool:
        """Whether a snapshot of the power averages is written."""
        return bool(self.ema.snapshot_every) and (
            step % self.ema.snapshot_every == 0 or step == self.train.steps
        )

    def saves(self, step: int) -> bool:
        """Whether a checkpoint is written. Each snapshot has one, so that it survives a kill."""
        return step % self.train.save_every == 0 or step == self.train.steps or self.snapshots(step)

    def next_save(self, step: int) -> int:
        """The next step after this one at which a checkpoint is written."""
        return next(later for later in range(step + 1, self.train.steps + 1) if self.saves(later))

    def previews(self, step: int) -> bool:
        """Whether a preview is made."""
        every = self.train.preview_every
        return bool(self.train.preview) and (
            step == self.train.steps or (bool(every) and step % every == 0)
        )
