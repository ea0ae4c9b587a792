"""What a recording says of its rights: the tags of WAV, FLAC, OGG and MP3."""

from __future__ import annotations

from pathlib import Path

from .decode import opened

TAGS = {"license": "licence", "copyright": "copyright", "artist": "author"}
"""Names of tags -> what they say."""


def rights(path: Path) -> dict[str, str]:
    """Some of ``licence``, ``copyright`` and ``author``. Raises DataError."""
    with opened(path) as file:
        texts = {name: str(getattr(file, tag, "") or "").strip() for tag, name in TAGS.items()}
    return {name: text for name, text in texts.items() if text}
