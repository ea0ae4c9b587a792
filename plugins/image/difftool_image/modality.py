"""ImageModality: picture files <-> uint8 ``[c, h, w]``."""

from __future__ import annotations

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
    Options,
    Rng,
    Streams,
    UsageError,
    VectorColumn,
    remark,
    scan_folder,
)

from . import native
from .augment import AUGMENT, WIDTH, augment, flip
from .decode import INSTALLABLE, MODES, SUFFIXES, decode, header, to_array, to_image
from .options import ImageOptions, ImageRequest, ImageSelection
from .resize import resize, smaller


class ImageModality(Modality):
    """Pictures of one size, or of one area. Raw units are bytes, ``[c, h, w]``, c being 1 to 4 by ``channels``."""

    options: ImageOptions
    repeats = (1, 2)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width; available once they are settled. Of native pictures, those of a square
        of their area.
        """
        size = self.settled("side", 0) if self.is_native else self.settled("size")
        return (size, size) if isinstance(size, int) else size

    @property
    def channels(self) -> str:
        """``grey``, ``grey+alpha``, ``rgb`` or ``rgba``; available once it is settled."""
        return self.settled("channels")

    @property
    def is_native(self) -> bool:
        """Whether each picture keeps its aspect ratio."""
        return self.options.size == "native"

    # --- files -> raw -----------------------------------------------------------------------------

    def scan(self, path: Path) -> list[Item]:
        return scan_folder(path, SUFFIXES, installable=INSTALLABLE)

    def fit(self, items: Sequence[Item]) -> ImageModality:
        from .measure import settle

        return self.with_options(**settle(self.options, items))

    def read(self, item: Item) -> np.ndarray:
        return self.read_bytes(item, None)

    def read_bytes(self, item: Item, data: bytes | None) -> np.ndarray:
        """Like ``read``, for a file whose bytes may already be in memory."""
        o, (height, width) = self.options, self.size
        near = max(height, width) if not self.is_native else max(native.buckets(height)[0])
        image = decode(item.path, data, near=near)
        if self.is_native:
            height, width = native.nearest((image.height, image.width), height)
        if o.small == "skip" and smaller((image.height, image.width), height, width, o.resize):
            raise DataError(
                f"{item.path} is {image.height}x{image.width}, smaller than {height}x{width}. "
                "Ask for a smaller size, or set small = enlarge."
            )
        return to_array(
            resize(image, height, width, o.resize, o.background, o.reduce),
            self.channels,
            o.background,
        )

    def read_given(self, item: Item) -> np.ndarray:
        """Like ``read``, at the picture's own size; a remark says how its channels differ."""
        if (has := header(item.path).channels) != self.channels:
            remark(f"is {has}; the result is {self.channels}, as the model's pictures")
        return to_array(decode(item.path), self.channels, self.options.background)

    def facts(self, item: Item) -> dict[str, float]:
        """``width`` and ``height`` of the picture as it is in its file, and ``crop_top`` and
        ``crop_left``, what was cut off at its upper and left edge, in pixels of the examples.

        Podell et al. 2023, arXiv:2307.01952, Sec. 2.2.
        """
        about, (height, width) = header(item.path), self.size
        cut = self.options.resize == "crop"
        scale = min(about.width / width, about.height / height)
        return {
            "width": float(about.width),
            "height": float(about.height),
            "crop_top": (about.height / scale - height) / 2 if cut else 0.0,
            "crop_left": (about.width / scale - width) / 2 if cut else 0.0,
        }

    def rights(self, path: Path) -> dict[str, str]:
        from .rights import rights

        return rights(path)

    # --- raw batches ------------------------------------------------------------------------------

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        own = (VectorColumn(AUGMENT, width=WIDTH),) if self.options.augment else ()
        channels = len(MODES[self.channels])
        if not self.is_native:
            return (channels, *self.size), {}, own
        _, rows = native.seen(np.asarray(shapes)[:, 1:])
        return (channels, *native.usual(rows)), {"sizes": rows}, own

    def groups(self, shapes: np.ndarray) -> np.ndarray | None:
        return native.seen(np.asarray(shapes)[:, 1:])[0] if self.is_native else None

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        if isinstance(examples, np.ndarray) or not self.is_native:
            return super().collate(examples, rng)
        return native.padded(examples)

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        if raw.mask is not None and self.options.augment:
            raise UsageError(
                "augment changes pictures of one size in a batch, and pictures of several sizes are "
                "packed here. Set augment to 0, or backbone.pack to false."
            )
        if self.options.flip:
            raw = flip(raw, rng)
        return augment(raw, rng, self.options.augment) if self.options.augment else raw

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        channels, height, width = (side or 0 for side in description.shape)
        if isinstance(request, ImageRequest) and request.size:
            height, width = (
                (request.size, request.size) if isinstance(request.size, int) else request.size
            )
        elif self.is_native:
            sizes = native.drawn(description.extra["sizes"], rng, n)
            height, width = (max(one) for one in zip(*sizes, strict=True))
            x = torch.zeros(n, channels, height, width, dtype=torch.uint8)
            return Batch(x, mask=native.mask_of(sizes)).map(lambda t: t.to(rng.device))
        return Batch(torch.zeros(n, channels, height, width, dtype=torch.uint8, device=rng.device))

    def request_of(self, shape: Sequence[int]) -> dict[str, Any]:
        _, height, width = shape
        return {"size": (height, width)}

    # --- raw -> files -----------------------------------------------------------------------------

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        from .write import write_png

        del request
        return write_png(to_image(example), stem.with_name(stem.name + ".png"), info)

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
        from .grid import sheet
        from .write import write_png

        path = stem.with_name(stem.name + ".png")
        return write_png(sheet(examples, titles, marks), path, replace=True)

    def film(self, examples: Sequence[np.ndarray], stem: Path) -> Path:
        from .write import write_film

        return write_film([to_image(one) for one in examples], stem.with_name(stem.name + ".apng"))

    def select(
        self, example: np.ndarray, selection: Options
    ) -> tuple[np.ndarray, np.ndarray | None]:
        from .selection import selected

        assert isinstance(selection, ImageSelection)
        return selected(example, selection)

    def feature_network(self, name: str) -> Callable[[Sequence[np.ndarray]], np.ndarray]:
        from .networks import network

        return network(name)

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)
