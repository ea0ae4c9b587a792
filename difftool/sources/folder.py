"""A folder or a file on this machine, used where it is."""

from __future__ import annotations

from pathlib import Path

from ..source import Source


class Folder(Source):
    def identity(self, path: str) -> str:
        return ""

    def fill(self, path: str, folder: Path) -> None:
        raise NotImplementedError  # a path without an identity is used as it is
