"""How people lay out a folder of data, and what in it this program made itself."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

SPLITS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""Names that the field gives to the parts of a data set."""

RUN = ("config.toml", "description.json")
CASCADE = "cascade.toml"
MARKER = ".difftool"
"""An empty file that says: this folder was written by difftool."""


def split_of(name: str) -> str | None:
    """``train``, ``validation`` or ``test`` for a folder's name; None where it is not the name of a split."""
    return next((split for split, names in SPLITS.items() if name.lower() in names), None)


def is_own_folder(names: Set[str], folder: Path) -> bool:
    """Whether a folder with these entries (hidden ones may be missing) is a run, a cascade, or samples of this program."""
    return set(RUN) <= names or CASCADE in names or os.path.lexists(folder / MARKER)


def sheets_of(folder: str, files: Iterable[str]) -> Iterator[str]:
    """The sheets that ``difftool sample`` writes next to a folder of samples: ``out-sheet.png`` for ``out``."""
    return (name for name in files if os.path.splitext(name)[0].startswith(f"{folder}-sheet"))
