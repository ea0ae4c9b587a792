"""JSON and TOML parsers that report every fault as a ``ValueError`` with a readable reason.

The standard parsers raise interpreter errors for a text that is nested a thousand times, or for a
number of five thousand digits.
"""

from __future__ import annotations

import json
import tomllib
from typing import Any

DEEPEST = 100
"""Levels of nesting in a file. What works on the values calls itself for each level."""


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text. Raises ValueError."""
    try:
        return _shallow(json.loads(text), text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error.msg.lower()} at line {error.lineno}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text (byte {error.start})") from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except TooDeep:
        raise
    except ValueError:
        raise ValueError("it holds a number with too many digits") from None


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text. Raises ValueError; ``tomllib.TOMLDecodeError`` for bad syntax."""
    try:
        return _shallow(tomllib.loads(text), text)
    except (tomllib.TOMLDecodeError, TooDeep):
        raise
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    except ValueError:
        raise ValueError("it holds a number with too many digits") from None


class TooDeep(ValueError):
    """Values inside of values inside of values, beyond ``DEEPEST``."""


def _shallow(value: Any, text: str | bytes) -> Any:
    """The value. Raises TooDeep."""
    if not _may_be_deep(text):
        return value
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return value
    raise TooDeep("its values are nested too deeply")


def _may_be_deep(text: str | bytes) -> bool:
    """Whether a text has brackets or dots enough; most have not, and are not walked through."""
    if isinstance(text, bytes):
        return sum(text.count(mark) for mark in (b"[", b"{", b".")) >= DEEPEST
    return sum(text.count(mark) for mark in "[{.") >= DEEPEST


def escaped(text: str) -> str:
    """The text with control characters and invalid Unicode escaped, so that it is safe to print."""
    return "".join(
        char if char.isprintable() or char in "\t\u00a0" else _escape(char) for char in text
    )


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # a byte of a file name that is not UTF-8
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")
