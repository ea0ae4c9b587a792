"""The file formats that are read, by suffix."""

from __future__ import annotations

from difftool_image.decode import SUFFIXES as IMAGES

SUFFIXES = (
    ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".gif", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".ogv", ".3gp", ".3g2", ".wmv",
    ".flv", ".apng",
)  # fmt: skip
"""Videos."""

PICTURES = tuple(suffix for suffix in IMAGES if suffix not in SUFFIXES)
"""Pictures: the frames of a clip where they are numbered, else clips of one frame.

A GIF is a video.
"""
