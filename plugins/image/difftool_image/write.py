"""Pictures to PNG files, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from difftool import creating, replacing

PROVENANCE = "difftool"
"""The PNG text entry that holds, as JSON, how a sample was made."""


MILLISECONDS = 120
"""How long a film shows each picture."""


def write_png(
    image: Image.Image, path: Path, info: Mapping[str, Any] | None = None, *, replace: bool = False
) -> Path:
    """Write ``path``, with ``info`` as its provenance.

    An existing file is an error unless it may be replaced.
    """
    text = PngInfo()
    if info:
        text.add_text(PROVENANCE, json.dumps(info, default=str))  # ASCII, as the entry requires
    with (replacing if replace else creating)(path) as partial:
        image.save(partial, "PNG", pnginfo=text)
    return path


def write_film(images: Sequence[Image.Image], path: Path) -> Path:
    """Write the pictures one after another, there and back, as an animated PNG, which loses
    nothing. A file that exists is replaced.
    """
    frames = [*images, *images[-2:0:-1]]
    with replacing(path) as partial:
        frames[0].save(
            partial, "PNG", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0
        )
    return path
