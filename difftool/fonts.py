"""Fonts for titles in any script: DejaVu, which matplotlib brings, else what is installed here."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.font_manager import FontEntry

UNFIT = ("emoji", "lastresort", "last resort", "symbol")
"""Words in the names of fonts that have no outlines of letters, or only stand for them."""


def font_path(text: str) -> Path:
    """The file of the font that has the most letters of a text; of several, the most ordinary."""
    return Path(_best(text, _faces()).fname)


@lru_cache(maxsize=1024)
def font_families(text: str) -> list[str]:
    """Names of fonts for matplotlib, which takes each letter from the first font that has it."""
    default, *others = _faces()
    found, rest = [default.name], _lacking(text, default)
    while rest and others:
        face = _best(rest, others)
        if (left := _lacking(rest, face)) == rest:
            break
        found, rest = [*found, face.name], left
    return found


def missing_letters(text: str) -> str:
    """The letters of a text, once each, that no font on this machine has."""
    rest = "".join(dict.fromkeys(char for char in text if char.isprintable() and char != " "))
    for face in _faces():
        if not (rest := _lacking(rest, face)):
            break
    return rest


def _best(text: str, faces: Sequence[FontEntry]) -> FontEntry:
    """The first face that has the most letters of a text."""
    best, fewest = faces[0], len(text) + 1
    for face in faces:
        if (count := len(_lacking(text, face))) < fewest:
            best, fewest = face, count
        if not fewest:
            break
    return best


def _lacking(text: str, face: FontEntry) -> str:
    return "".join(char for char in text if ord(char) not in _letters(face.fname) and char != " ")


def _faces() -> list[FontEntry]:
    """The upright fonts, the most ordinary weight first, and before all of them matplotlib's own."""
    import matplotlib
    from matplotlib.font_manager import fontManager, weight_dict

    def order(face: FontEntry) -> tuple[bool, bool, float, str]:
        own = face.fname.startswith(matplotlib.get_data_path())
        weight = face.weight if isinstance(face.weight, int) else weight_dict.get(face.weight, 400)
        return not (own and face.name == "DejaVu Sans"), not own, abs(weight - 400), face.fname

    upright = [
        face
        for face in fontManager.ttflist
        if face.style == "normal" and not any(word in face.name.lower() for word in UNFIT)
    ]
    return sorted(upright, key=order)


@lru_cache(maxsize=512)
def _letters(path: str) -> frozenset[int]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(path).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
