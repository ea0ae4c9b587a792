"""TensorBoard, through the writer that torch brings."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from difftool import RunInfo

from .options import TensorBoardOptions
from .tracker import Tracker, flat

SHOWN = (".png", ".jpg", ".jpeg", ".gif")
"""Suffixes that its page of images shows; a GIF moves there."""


class TensorBoard(Tracker):
    """A folder of events that ``tensorboard --logdir`` reads."""

    use = "tensorboard"
    options: TensorBoardOptions

    def open(self, run: RunInfo, name: str, identifier: str) -> str:
        from torch.utils.tensorboard import SummaryWriter

        folder = (
            Path(self.options.folder) / name if self.options.folder else run.path / "tensorboard"
        )
        # events after the step that is resumed are of a future that did not happen
        purge = run.first + 1 if identifier else None
        self._writer = SummaryWriter(str(folder), purge_step=purge)
        if not identifier:
            rows = "\n".join(f"| {key} | {value} |" for key, value in flat(run.config))
            self._writer.add_text("configuration", f"| setting | value |\n|---|---|\n{rows}")
        return str(folder)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def file(self, step: int, name: str, path: Path) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        if path.suffix.lower() not in SHOWN:
            return
        image = Summary.Image(encoded_image_string=path.read_bytes(), colorspace=3)
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self._writer._get_file_writer().add_summary(summary, step)

    def text(self, name: str, text: str) -> None:
        self._writer.add_text(name, text)

    def close(self, finished: bool) -> None:
        self._writer.close()
