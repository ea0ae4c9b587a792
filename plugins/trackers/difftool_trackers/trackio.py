"""trackio: a database on this machine, with the calls of wandb."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from difftool import RunInfo

from .options import TrackioOptions
from .tracker import Tracker, flat

PICTURES, CLIPS, SOUNDS = (".png", ".jpg", ".jpeg", ".webp"), (".gif", ".mp4", ".webm"), (".wav",)


class Trackio(Tracker):
    """A run of a project."""

    use = "trackio"
    options: TrackioOptions

    def open(self, run: RunInfo, name: str, identifier: str) -> str:
        import trackio

        self._trackio = trackio
        self._logged: Any = trackio.init(
            project=self.options.project,
            name=identifier or name,
            # another run of the same name is not this one
            resume="allow" if identifier else "never",
            config={key: str(value) for key, value in flat(run.config)},
            embed=False,
        )
        return str(self._logged.name)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._logged.log(dict(values), step=step)

    def file(self, step: int, name: str, path: Path) -> None:
        suffix = path.suffix.lower()
        kinds = ((PICTURES, "Image"), (CLIPS, "Video"), (SOUNDS, "Audio"))
        kind = next((kind for suffixes, kind in kinds if suffix in suffixes), None)
        if kind:
            self._logged.log({name: getattr(self._trackio, kind)(str(path))}, step=step)

    def text(self, name: str, text: str) -> None:
        self._logged.log({name: self._trackio.Markdown(text)})

    def close(self, finished: bool) -> None:
        self._logged.finish()
