"""Pictures to PNG files: whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from difftool import UsageError

PROVENANCE = "difftool"
"""The PNG text entry that holds, as JSON, how a sample was made."""


def write_png(image: Image.Image, path: Path, info: Mapping[str, Any] | None = None, *, replace: bool = False) -> Path:
    """Write ``path``, with ``info`` as its provenance. An existing file is an error unless it may be replaced."""
    text = PngInfo()
    if info:
        text.add_text(PROVENANCE, json.dumps(info, default=str))  # ASCII, as the entry requires
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid4().hex[:8]}.partial")
    try:
        image.save(partial, "PNG", pnginfo=text)
        if replace:
            os.replace(partial, path)
        else:
            _publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _publish(partial: Path, path: Path) -> None:
    """Give a finished file its name, which must be free."""
    try:
        os.link(partial, path)
    except FileExistsError:
        raise UsageError(f"{path} exists already. Write to another folder, or move it away: samples never overwrite a file.") from None
    except OSError:  # a file system without links
        if path.exists():
            raise UsageError(f"{path} exists already. Write to another folder, or move it away: samples never overwrite a file.") from None
        os.replace(partial, path)
