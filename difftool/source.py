"""Source: data that is not a folder of files, such as an archive."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from .options import Options


class Source(ABC):
    """Turns the data at a path into a folder of files that a modality reads.

    The folder is in the cache and is written once for each identity. Nothing is written at the
    path.

    Args:
        options: the settings of the source.
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    @abstractmethod
    def identity(self, path: str) -> str:
        """A text that changes with the data, such as its size and time; "" to use the path itself.

        Raises:
            DataError: the path does not exist.
        """

    @abstractmethod
    def fill(self, path: str, folder: Path) -> None:
        """Write the data into an empty folder. Report what is left out with ``remark``.

        Raises:
            DataError: the data is unreadable or unsafe; the message says the fact, the fix, the
                reason.
        """
