"""Files of a run inside a page: pictures, moving pictures and recordings that play."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import contents
from ..plain import parse_json

MOST = 24 << 20
"""Bytes of files in one strip; of more, evenly chosen ones are taken."""

SCENE, TURNS = ".scene.json", "scene"
"""Name of a file that holds a ``Scene``, and the kind of what is drawn of it."""

UNSHOWN = ("", "application", "chemical", "font", "message", "model", "multipart", "text")
"""Kinds of media types that are not seen or heard."""


@dataclass(frozen=True)
class Media:
    """A file that a page shows.

    Attributes:
        kind: the first part of its media type, such as ``image``, of which pages know how to show
            three; or ``scene``.
        data: a URL with the whole content; of a scene its JSON.
    """

    kind: str
    data: str
    title: str


def media(path: Path, title: str = "") -> Media | None:
    """The file for a page; None for one that browsers do not show."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    if path.name.endswith(SCENE):
        return Media(
            TURNS, json.dumps(parse_json(contents(path))), title or path.name.partition(".")[0]
        )
    general = kind.partition("/")[0]
    # a page must not run what a file holds, which SVG could
    if general in UNSHOWN or "svg" in kind:
        return None
    content = base64.b64encode(path.read_bytes()).decode()
    return Media(general, f"data:{kind};base64,{content}", title or path.stem)


def shown(paths: Iterable[Path]) -> list[Media]:
    """Those of the files that browsers show, in this order."""
    return [one for path in paths if (one := media(path)) is not None]


def thinned(paths: Sequence[Path], most: int = MOST) -> list[Path]:
    """The files, or of too many bytes evenly spread ones; the last one always."""
    total = sum(path.stat().st_size for path in paths)
    every = max(1, -(-total // most))
    return sorted({*paths[len(paths) - 1 :: -every]})
