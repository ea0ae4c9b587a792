"""VideoModality: video files <-> uint8 ``[t, c, h, w]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import (
    Batch,
    ChannelsColumn,
    Column,
    DataError,
    Description,
    Item,
    Modality,
    Options,
    Rng,
    Streams,
    remark,
    scan_folder,
    slices,
    softened,
    spooled,
)
from difftool_image import native

from .clips import clips
from .decode import clip, header
from .given import GIVEN, draw
from .numbered import is_numbered
from .options import VideoOptions, VideoRequest, VideoSelection
from .request import masked, real, template
from .suffixes import PICTURES, SUFFIXES

QUANTILES = 101
"""Lengths that stand for those of all videos."""


class VideoModality(Modality):
    """Video.

    Raw units are bytes, frames first, ``[t, c, h, w]``, c being 1 or 3 by ``channels``, at one
    rate.
    """

    options: VideoOptions
    repeats = (0,)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; available once they are settled. Of native videos, those of a square
        of their area.
        """
        size = self.settled("side", 0) if self.is_native else self.settled("size")
        return (size, size) if isinstance(size, int) else size

    @property
    def is_native(self) -> bool:
        """Whether each video keeps its aspect ratio."""
        return self.options.size == "native"

    @property
    def channels(self) -> int:
        """1 or 3; available once it is settled."""
        return 1 if self.settled("channels") == "grey" else 3

    @property
    def frames(self) -> int:
        """The number of frames of a training clip; available once it is settled."""
        return self.settled("frames")

    @property
    def fps(self) -> float:
        """Frames per second; available once they are settled."""
        return self.settled("fps")

    # --- files -> raw -----------------------------------------------------------------------------

    def scan(self, path: Path) -> list[Item]:
        return scan_folder(
            path, (*SUFFIXES, *PICTURES) if self.options.pictures else SUFFIXES, whole=is_numbered
        )

    def fit(self, items: Sequence[Item]) -> VideoModality:
        from .measure import settle

        return self.with_options(**settle(self.options, items))

    def read(self, item: Item) -> np.ndarray:
        o, path = self.options, item.path
        x = spooled(self.blocks(path))
        if len(x) < o.shortest and not (o.pictures and path.suffix.lower() in PICTURES):
            what = "a single frame" if len(x) == 1 else f"{len(x)} frames at {self.fps:g} frames/s"
            raise DataError(
                f"{path} has {what}, fewer than {o.shortest}. Remove it, or take shorter ones: "
                f"--shortest {len(x)}."
            )
        return x

    def read_given(self, item: Item) -> np.ndarray:
        """All frames, at the video's own size and the training rate."""
        about = header(item.path)
        if about.rate and abs(about.rate - self.fps) > 0.01:
            remark(
                f"has {about.rate:g} frames per second; the result has {self.fps:g}, as the model's "
                "clips"
            )
        return spooled(self.blocks(item.path, (about.height, about.width)))

    def blocks(self, path: Path, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """The frames of a video, of any length, a few at a time.

        Args:
            size: height and width; None for those that are trained on.
        """
        o = self.options
        if size is None and self.is_native:
            about = header(path)
            size = native.nearest((about.height, about.width), self.size[0])
        return clip(
            path,
            self.fps,
            *(size or self.size),
            self.settled("channels"),
            o.resize,
            o.background,
            o.reduce,
        )

    def reader(self, size: tuple[int, int]) -> VideoModality:
        """What reads the videos that samples continue: at this size, and single pictures too."""
        return self.with_options(size=size, pictures=True)

    # --- raw batches ------------------------------------------------------------------------------

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        lengths = np.asarray(shapes)[:, 0]
        moving = (
            lengths[lengths > 1] if (lengths > 1).any() else lengths
        )  # of pictures, samples are not made
        quantiles = np.quantile(
            moving, (np.arange(QUANTILES) + 0.5) / QUANTILES, method="inverted_cdf"
        ).astype(int)
        shown = (
            (ChannelsColumn(GIVEN, width=self.channels + 1),)
            if self.options.given != "none"
            else ()
        )
        size, extra = self.size, {"fps": self.fps, "lengths": quantiles.tolist()}
        if self.is_native:
            _, extra["sizes"] = native.seen(np.asarray(shapes)[:, 2:])
            size = native.usual(extra["sizes"])
        return (self.frames, self.channels, *size), extra, shown

    def groups(self, shapes: np.ndarray) -> np.ndarray | None:
        return native.seen(np.asarray(shapes)[:, 2:])[0] if self.is_native else None

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        single = rng.uniform((1,)).item() < self.options.stills
        frames = 1 if single else self.frames
        x, lengths = clips(examples, frames, rng.uniform((len(examples),)).double().numpy())
        raw = Batch(
            torch.from_numpy(x),
            mask=masked(
                real(lengths, frames) if (lengths < frames).any() else None,
                native.mask_of([(one.shape[2], one.shape[3]) for one in examples]),
                frames,
            ),
        )
        if self.options.given == "none":
            return raw
        given = draw(
            lengths, frames, self.options.given, rng.uniform((len(examples), 4)).double().numpy()
        )
        return raw.with_cond(**{GIVEN: torch.from_numpy(given)})

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        if not self.options.flip:
            return raw
        chosen = (rng.uniform((len(raw),)) < 0.5).to(raw.x.device)[:, None, None, None, None]
        return raw.with_x(torch.where(chosen, native.mirrored(raw.x, raw.mask), raw.x))

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        """Clips of the requested length; by default, of lengths distributed as in the data.

        Given frames are in it.
        """
        return template(
            self,
            description,
            n,
            rng,
            request if isinstance(request, VideoRequest) else VideoRequest(),
        )

    def request_of(self, shape: Sequence[int]) -> dict[str, Any]:
        frames, _, height, width = shape
        return {"frames": frames, "size": (height, width)}

    # --- raw -> files -----------------------------------------------------------------------------

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        from .write import write

        return write(
            example,
            self.fps,
            stem,
            request.format if isinstance(request, VideoRequest) else "mp4",
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
        from difftool_image.write import write_png

        from .sheet import sheet

        path = stem.with_name(stem.name + ".png")
        return write_png(sheet(examples, titles, marks), path, replace=True)

    def select(
        self, example: np.ndarray, selection: Options
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The clip ``[t, c, h, w]`` with the frames that are asked for, and what is meant
        ``[t, 1, h, w]``.
        """
        assert isinstance(selection, VideoSelection)
        length, _, *size = example.shape
        meant = np.zeros((length, 1, *size), bool)
        if selection.frames or selection.region or selection.mask:
            within = np.zeros((1, *size), bool)
            if selection.region or not selection.mask:
                rows, columns = slices(selection.region or ":,:", size, "--region")
                within[:, rows, columns] = True
            if selection.mask:
                from difftool_image.selection import white

                within |= white(selection.mask, (size[0], size[1]))
            for part in (selection.frames or ":").split(","):
                meant[slices(part, (length,), "--frames")[0]] = within
        around = (selection.before, selection.after)
        if any(around):
            example = np.pad(example, (around, (0, 0), (0, 0), (0, 0)), mode="edge")
            meant = np.pad(meant, (around, (0, 0), (0, 0), (0, 0)), constant_values=True)
        if not meant.any():
            return example, None
        soft = selection.soft
        return example, softened(meant, (0, 0, soft, soft)) if soft else meant

    def rights(self, path: Path) -> dict[str, str]:
        from .rights import rights

        return rights(path)

    def perceive(self, example: np.ndarray) -> np.ndarray:
        """Channels first, ``[c, t, h, w]``: frames are an axis along which things move."""
        return np.moveaxis(example, 1, 0)

    def feature_network(self, name: str) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        """Mean and spread over the frames of what a network of pictures sees in each."""
        from difftool_image.networks import network

        of_pictures = network(name)

        def features(clips: Sequence[np.ndarray]) -> np.ndarray:
            frames = [of_pictures(list(clip)) for clip in clips]
            return np.stack([np.concatenate([x.mean(0), x.std(0)]) for x in frames])

        return features

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)
