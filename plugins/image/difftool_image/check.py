"""What to know about a folder of pictures before training on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from difftool import Finding, Inspection, Item, Look, commonest, digest, short_name

from .decode import header
from .measure import SAMPLE
from .modality import ImageModality
from .resize import smaller

FLAT = 2.0  # standard deviation, of 255, under which a picture shows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLook(Look):
    """One picture.

    Attributes:
        size: height and width as stored.
        channels: as stored, by their name.
        spread: standard deviation over the picture, of 255, of the channel that varies most.
        coloured: whether it shows a colour.
    """

    size: tuple[int, int]
    channels: str
    spread: float
    coloured: bool


class ImageInspection(Inspection[ImageModality, ImageLook]):
    """Inspects sizes, channels, and pictures that show nothing."""

    most = SAMPLE

    def look(self, item: Item) -> ImageLook:
        data = item.path.read_bytes()
        height, width, channels = header(item.path, data)
        array = self.modality.read_bytes(item, data)
        return ImageLook(
            item=item,
            shape=array.shape,
            digest=digest(array),
            size=(height, width),
            channels=channels,
            spread=float(array.std(axis=(1, 2)).max()),
            coloured=len(array) >= 3 and bool((np.ptp(array[:3], axis=0) > 8).any()),
        )

    def lines(self, looks: Sequence[ImageLook]) -> Iterator[Finding]:
        yield from _sizes(self.modality, looks)
        yield from _channels(self.modality, looks)
        yield from _flat(looks)

    def advice(self, items: Sequence[Item], looks: Sequence[ImageLook]) -> str:
        return "--recipe tiny\na larger model, for a GPU: --recipe small"


def _sizes(modality: ImageModality, good: Sequence[ImageLook]) -> Iterator[Finding]:
    height, width = modality.size
    sizes = commonest("{}x{}".format(*look.size) for look in good)
    yield Finding("ok", f"sizes, height x width: {sizes}; trained at {height}x{width}")
    low = [look for look in good if smaller(look.size, height, width, modality.options.resize)]
    if low:
        yield Finding(
            "warning",
            f"{len(low):,} are smaller than {height}x{width} and will be enlarged, such as "
            f"{short_name(low[0].item)}: their blur is learned. Ask for a smaller --size, or "
            "leave them out with --small skip.",
        )
    if modality.options.resize == "crop":
        cut = [look for look in good if _cut(look.size, height, width) > 0.25]
        if len(cut) > len(good) / 20:
            yield Finding(
                "note",
                f"{len(cut):,} lose over a quarter of their area to cropping. Choose another "
                "--size, or --resize pad.",
            )


def _cut(size: tuple[int, int], height: int, width: int) -> float:
    scale = min(size[0] / height, size[1] / width)
    return 1 - scale * scale * height * width / (size[0] * size[1])


def _channels(modality: ImageModality, good: Sequence[ImageLook]) -> Iterator[Finding]:
    yield Finding(
        "ok",
        f"channels: {commonest(look.channels for look in good)}; trained as {modality.channels}",
    )
    if modality.channels == "rgb" and not any(look.coloured for look in good):
        yield Finding(
            "note",
            "They are stored in colour and show none: --channels grey trains faster and loses "
            "nothing.",
        )
    if {look.channels for look in good} - {"grey", "rgb"} and modality.channels in ("grey", "rgb"):
        yield Finding(
            "note",
            f"Transparency is not kept: it becomes {modality.options.background}. To keep it: "
            "--channels rgba.",
        )


def _flat(good: Sequence[ImageLook]) -> Iterator[Finding]:
    flat = [look for look in good if look.spread < FLAT]
    if flat:
        shown = ", ".join(short_name(look.item) for look in flat[:3])
        yield Finding(
            "warning",
            f"{len(flat):,} are of one colour all over and teach nothing, such as {shown}.",
        )
