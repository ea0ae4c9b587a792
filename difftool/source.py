"""Source: where data comes from, when that is not a folder of files that a modality reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from .options import Options


class Source(ABC):
    """Makes a folder of files, as a person would keep them, from what a path names.

    The folder lies in the cache and is made once for each identity; where the path leads, nothing is ever written.

    Args:
        options: the part's own.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def identity(self, path: str) -> str:
        """What changes when the data at this path changes, such as its size and time; "" where the path is used as it is.

        Raises:
            DataError: nothing is there.
        """

    @abstractmethod
    def fill(self, path: str, folder: Path) -> None:
        """Write the data into an empty folder. ``remark`` tells the user what was left out.

        Raises:
            DataError: it cannot be read, or must not be: the fact, the fix, the reason.
        """
