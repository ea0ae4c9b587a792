"""Pictures to PNG files, written atomically."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from difftool import creating, replacing

PROVENANCE = "difftool"
"""The PNG text entry that holds, as JSON, how a sample was made."""


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
