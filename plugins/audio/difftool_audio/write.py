"""Raw sound to WAV and FLAC files, written atomically, with their provenance."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from difftool import creating

Format = Literal["wav", "flac"]

ROOM = {"wav": 2000, "flac": 1 << 20}
"""Bytes of comment.

Readers built on libsndfile see nothing at all of a WAV comment of more than 2046.
"""


def write(
    example: np.ndarray, rate: int, stem: Path, format: Format, info: Mapping[str, Any]
) -> Path:
    """Write int16 ``[c, n]`` to ``stem`` plus the format's suffix, 16 bits a sample; returns the
    path.

    Args:
        rate: samples per second.
        info: provenance, kept as JSON in the file's comment tag.

    Raises:
        UsageError: the file exists; it is left as it was.
    """
    path = stem.with_name(f"{stem.name}.{format}")
    with creating(path) as partial:
        partial.write_bytes(encode(example, rate, format, info))
    return path


def encode(
    example: np.ndarray, rate: int, format: Format = "wav", info: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of a sound file. They are made in memory, so that a full disk leaves no partial
    file.
    """
    import soundfile

    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, len(example), "PCM_16", format=format.upper()
    ) as file:
        if info:
            file.comment = comment(info, ROOM[format])
        file.write(np.ascontiguousarray(example.T))
    return buffer.getvalue()


def comment(info: Mapping[str, Any], room: int) -> str:
    """``info`` as JSON of at most ``room`` bytes; long texts are cut, and entries left out, to fit.

    It is ASCII, because the tag of a WAV file does not state its encoding.
    """
    text, limit = _json(info), room
    while len(text) > room and limit > 16:
        limit //= 2
        text = _json({name: _cut(value, limit) for name, value in info.items()})
    return text if len(text) <= room else _first(info, limit, room)


def _first(info: Mapping[str, Any], limit: int, room: int) -> str:
    kept: dict[str, Any] = {}
    for name, value in info.items():
        if len(_json({**kept, name: _cut(value, limit)})) <= room:
            kept[name] = _cut(value, limit)
    return _json(kept)


def _json(info: Mapping[str, Any]) -> str:
    return json.dumps(info, default=str)


def _cut(value: Any, limit: int) -> Any:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return value if len(text) <= limit else text[:limit] + "…"
