"""The page of ``difftool explain``: figures, an animation, and one HTML file that holds them all."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..files import write_text

MILLISECONDS = 120
"""Of a frame of an animation; the last one stays for ten times as long."""

TITLE = 16
"""Size of the letters of a row's title."""


def stacked(rows: Sequence[Path], titles: Sequence[str], path: Path) -> Path:
    """PNG files below one another, each with its title, as one; the single ones are removed."""
    from PIL import Image as raster
    from PIL import ImageDraw
    from PIL import ImageFont as fonts

    sheets = [raster.open(row).convert("RGB") for row in rows]
    factor = max(1, 480 // max(sheet.width for sheet in sheets))
    sheets = [sheet.resize((sheet.width * factor, sheet.height * factor), 0) for sheet in sheets]
    font, band, width = fonts.load_default(TITLE), 2 * TITLE, max(s.width for s in sheets)
    whole = raster.new("RGB", (width, sum(sheet.height + band for sheet in sheets)), "white")
    pen, top = ImageDraw.Draw(whole), 0
    for sheet, title in zip(sheets, titles, strict=True):
        pen.text((4, top + TITLE // 2), title, fill="black", font=font)
        whole.paste(sheet, (0, top + band))
        top += sheet.height + band
    whole.save(path)
    for row in rows:
        row.unlink()
    return path


def animated(frames: Sequence[Path], path: Path) -> Path:
    """PNG files one after the other as a GIF; the single ones are removed."""
    from PIL import Image as raster

    sheets = [raster.open(frame).convert("RGB") for frame in frames]
    factor = max(1, 480 // sheets[0].width)
    sheets = [sheet.resize((sheet.width * factor, sheet.height * factor), 0) for sheet in sheets]
    times = [MILLISECONDS] * (len(sheets) - 1) + [10 * MILLISECONDS]
    sheets[0].save(path, save_all=True, append_images=sheets[1:], duration=times, loop=0)
    for frame in frames:
        frame.unlink()
    return path


def write_page(path: Path, name: str, figures: Sequence[Any]) -> Path:
    """One HTML file with all figures in it, which can be read offline."""
    import jinja2

    text = Path(__file__).with_name("explained.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    shown = [{"title": one.title, "text": one.text, "data": _embedded(one.path)} for one in figures]
    write_text(path, page.render(name=name, figures=shown))
    return path


def _embedded(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
