"""reading_binary: refuse an empty or text file before a decoder sees it, and name a missing one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DataError

HEAD = 1 << 16
"""Bytes that are checked to tell text from binary data."""


@contextmanager
def reading_binary(path: Path, kind: str) -> Iterator[None]:
    """Check a file before the block decodes it; a missing or unreadable one is a DataError.

    Args:
        kind: what the file should hold, such as ``sound``, for messages.

    Raises:
        DataError: the file is missing, unreadable, empty, or text, such as a web page that reports
            a failed download.
    """
    try:
        _refuse_text(path, kind)
        yield
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist any more. Check whether it was moved while it was being read."
        ) from None
    except PermissionError:
        raise DataError(
            f"{path} cannot be read: permission denied. Check its permissions."
        ) from None


def _refuse_text(path: Path, kind: str) -> None:
    with open(path, "rb") as file:
        head = file.read(HEAD)
    if not head:
        raise DataError(f"{path} is empty (0 bytes). Remove it or copy it again.")
    try:
        # The last bytes may be the beginning of a longer UTF-8 character.
        text = b"\0" not in head and (head.isascii() or bool(head[:-4].decode("utf-8")))
    except UnicodeDecodeError:
        return
    if text:
        begin = head[:24].decode("ascii", "replace")
        raise DataError(
            f"{path} is text, not {kind}. Remove it or copy it again. (It begins: {begin!r})"
        )
