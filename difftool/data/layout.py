"""Conventions of data folders: names of splits, and folders that difftool itself wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Common folder names of the splits of a data set."""

RUN = ("config.toml", "description.json")
CASCADE = "cascade.toml"
MARKER = ".difftool"
"""An empty file that marks a folder which difftool wrote."""


def split_of(name: str) -> str | None:
    """``train``, ``validation`` or ``test`` for a folder's name; None if it names no split."""
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def is_own_folder(names: Set[str], folder: Path) -> bool:
    """Whether a folder is a run, a cascade or samples; ``names`` may lack hidden entries."""
    return set(RUN) <= names or CASCADE in names or os.path.lexists(folder / MARKER)


def sheets_of(folder: str, files: Iterable[str]) -> Iterator[str]:
    """The sheets that ``difftool sample`` writes next to ``out``: ``out-sheet.png`` and so on."""
    return (name for name in files if os.path.splitext(name)[0].startswith(f"{folder}-sheet"))
