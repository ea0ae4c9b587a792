"""What a video says of its rights, in the metadata of its container."""

from __future__ import annotations

from pathlib import Path

from .container import opened

TAGS = {
    "copyright": "copyright", "artist": "author", "author": "author", "composer": "author",
    "license": "licence", "licence": "licence",
}  # fmt: skip
"""Names of metadata, in lower case -> what they say."""


def rights(path: Path) -> dict[str, str]:
    """Some of ``licence``, ``copyright`` and ``author``; nothing of a folder of frames. Raises
    DataError.
    """
    if path.is_dir():
        return {}
    with opened(path) as video:
        found = video.container.metadata
    return {
        TAGS[key.lower()]: text.strip()
        for key, text in found.items()
        if key.lower() in TAGS and text.strip()
    }
