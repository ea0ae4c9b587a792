"""Names of files: bytes that are not UTF-8, several spellings of one name, and paths as text."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from urllib.parse import unquote_to_bytes

from .errors import UsageError

URI = "file://"
WESTERN = "cp1252"
"""Windows-1252, the most common encoding of text that is not UTF-8."""


def spelled(name: str) -> str:
    """A file's name as people write it: valid Unicode, in composed form (NFC).

    macOS stores names in decomposed form, and old archives in Windows-1252: without this, one name
    in a folder and in a table would be two.
    """
    if not is_unicode(name):
        name = os.fsencode(name).decode(WESTERN, errors="replace")
    return unicodedata.normalize("NFC", name)


def is_unicode(text: str) -> bool:
    """Whether a text can be stored as UTF-8; Python has bytes that cannot as lone surrogates."""
    return not any(map(_half, text))


def whole(text: str) -> str:
    """A text without halves of letters (lone surrogates), which JSON may hold but no file can."""
    return text if is_unicode(text) else "".join("\ufffd" if _half(c) else c for c in text)


def _half(char: str) -> bool:
    return "\ud800" <= char <= "\udfff"


def path_text(path: str | Path) -> str:
    """A path as text that TOML and JSON can hold: a ``file://`` address if it is not UTF-8."""
    return str(path) if is_unicode(str(path)) else Path(path).absolute().as_uri()


def local_path(text: str | Path) -> Path:
    """The path that a text means, which may be a ``file://`` address or begin with ``~``.

    Raises:
        UsageError: it begins with ``~`` and there is no home folder.
    """
    if str(text).startswith(URI):
        return Path(os.fsdecode(unquote_to_bytes(str(text).removeprefix(URI))))
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{text} begins with ~, but there is no home folder. Write the path in full, or set "
            "HOME."
        ) from None
