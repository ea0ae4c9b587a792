"""A folder or a file on this machine, used in place."""

from __future__ import annotations

from pathlib import Path

from ..source import Source


class Folder(Source):
    def identity(self, path: str) -> str:
        return ""

    def fill(self, path: str, folder: Path) -> None:
        raise NotImplementedError  # never called: a path without an identity is used in place
