"""Weights & Biases, online or offline."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from difftool import RunInfo

from .options import WandbOptions
from .tracker import Tracker, flat

PICTURES, CLIPS, SOUNDS = (".png", ".jpg", ".jpeg", ".webp"), (".gif", ".mp4", ".webm"), (".wav",)


class Wandb(Tracker):
    """A run of a project; offline it lies in ``RUN/wandb`` until ``wandb sync`` sends it."""

    use = "wandb"
    options: WandbOptions

    def open(self, run: RunInfo, name: str, identifier: str) -> str:
        import wandb

        self._wandb = wandb
        self._logged: Any = wandb.init(
            project=self.options.project,
            entity=self.options.entity or None,
            name=name,
            id=identifier or None,
            resume="allow",
            dir=str(run.path),
            config=dict(flat(run.config)),
            mode=None if self.options.mode == "auto" else self.options.mode,
            reinit="create_new",
        )
        # its own step cannot go back, which a resumed run does
        self._logged.define_metric("step")
        self._logged.define_metric("*", step_metric="step")
        return str(self._logged.id)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._logged.log({"step": step, **values})

    def file(self, step: int, name: str, path: Path) -> None:
        suffix = path.suffix.lower()
        kinds = ((PICTURES, "Image"), (CLIPS, "Video"), (SOUNDS, "Audio"))
        kind = next((kind for suffixes, kind in kinds if suffix in suffixes), None)
        if kind:
            self._logged.log({"step": step, name: getattr(self._wandb, kind)(str(path))})

    def text(self, name: str, text: str) -> None:
        self._logged.summary[name] = text

    def close(self, finished: bool) -> None:
        self._logged.finish(exit_code=0 if finished else 1)
