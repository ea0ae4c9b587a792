"""The kind of a file by its first bytes, for content that is stored without a name."""

from __future__ import annotations

_AT_START = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
    b"fLaC": ".flac",
    b"OggS": ".ogg",
    b"ID3": ".mp3",
    b"\xff\xfb": ".mp3",
    b"\x1aE\xdf\xa3": ".mkv",
}
_RIFF = {b"WEBP": ".webp", b"WAVE": ".wav", b"AVI ": ".avi"}


def suffix_of(data: bytes) -> str:
    """The suffix of a file with this content; empty if it is not known."""
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return ".mp4"
    return next((suffix for start, suffix in _AT_START.items() if data.startswith(start)), "")
