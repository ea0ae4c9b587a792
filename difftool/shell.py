"""Commands that messages propose, quoted so that they can be pasted into a shell."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable

_SPECIAL = frozenset(".=\"'\\")
"""Characters that ``--set`` reads as more than a part of a key."""


FILES = "DIFFTOOL_PLUGIN_FILES"
"""Environment variable: the files that ``--plugin`` names, as in ``PATH``. Processes that difftool
starts inherit it."""


def command(*words: object) -> str:
    """A difftool command line, which names the plugins that are tried from files, as this one does."""
    tried = [word for path in _tried() for word in ("--plugin", path)]
    return " ".join(["difftool", *(quoted(str(word)) for word in (*words, *tried))])


def _tried() -> Iterable[str]:
    """The files of ``--plugin``, by their short names where they lie below this folder."""
    for path in filter(None, os.environ.get(FILES, "").split(os.pathsep)):
        short = os.path.relpath(path)
        yield path if short.startswith(os.pardir) else short


def quoted(word: str) -> str:
    """A word as a shell reads it back; what cannot be printed as ``$'\\xe9'``, in bash and zsh."""
    if word.isprintable():
        return shlex.quote(word)
    return f"$'{''.join(map(_ansi_c, word))}'"


def _ansi_c(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    return char if char.isprintable() else "".join(f"\\x{b:02x}" for b in _bytes(char))


def _bytes(char: str) -> bytes:
    return char.encode("utf-8", "surrogateescape")


def set_flag(path: Iterable[str], value: str) -> str:
    """``--set a.b=value``, with the parts of the key that need it in quotes."""
    return f"--set {quoted(f'{key_text(path)}={value}')}"


def key_text(path: Iterable[str]) -> str:
    """A key of several parts as ``--set`` reads it."""
    return ".".join(map(_part, path))


def _part(name: str) -> str:
    if name and name == name.strip() and name.isprintable() and not _SPECIAL & set(name):
        return name
    return json.dumps(name, ensure_ascii=not name.isprintable())
