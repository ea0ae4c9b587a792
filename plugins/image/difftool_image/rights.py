"""What a picture says of its rights: EXIF, and the texts of PNG."""

from __future__ import annotations

from pathlib import Path

from .decode import opened

EXIF = {0x8298: "copyright", 0x013B: "author"}
"""Tags of EXIF, Copyright and Artist."""

TEXTS = {
    "copyright": "copyright", "author": "author", "artist": "author", "license": "licence",
    "licence": "licence", "rights": "licence", "source": "source",
}  # fmt: skip
"""Keywords of a PNG's texts, in lower case."""


def rights(path: Path) -> dict[str, str]:
    """Some of ``licence``, ``copyright``, ``author`` and ``source``. Raises DataError."""
    with opened(path) as image:
        texts = {
            TEXTS[key.lower()]: str(text)
            for key, text in image.info.items()
            if isinstance(key, str) and isinstance(text, str) and key.lower() in TEXTS
        }
        tags = image.getexif()
        own = {name: str(tags[tag]).strip("\0 ") for tag, name in EXIF.items() if tags.get(tag)}
    return {name: text for name, text in {**texts, **own}.items() if text}
