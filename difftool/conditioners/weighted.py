"""Weighted words of a prompt: ``a (red:1.4) letter``."""

from __future__ import annotations

import re
from collections.abc import Sequence

UNIT = 1024
"""Steps of a weight between 0 and 1."""

SHIFT = 32
"""A token is the lower bits of a number of a batch, and its weight in ``UNIT``s those above."""

LOWER = (1 << SHIFT) - 1
"""The bits of a token."""

MOST = 1000.0

_PART = re.compile(r"\(([^():]+):(\d+(?:\.\d*)?|\.\d+)\)")


class Weighted(str):
    """A prompt as it was written, which counts some of its words more or less.

    Attributes:
        plain: the text without weights.
        weights: one for each character of it; 1 is as it is.
    """

    plain: str
    weights: tuple[float, ...]


def weighted(text: str) -> str:
    """A ``Weighted`` text if parts of it have the form ``(words:1.3)``, else the text itself."""
    plain, weights, end = "", list[float](), 0
    for found in _PART.finditer(text):
        before, words = text[end : found.start()], found[1]
        plain += before + words
        weights += [1.0] * len(before) + [min(float(found[2]), MOST)] * len(words)
        end = found.end()
    if not end:
        return text
    made = Weighted(text)
    made.plain = plain + text[end:]
    made.weights = (*weights, *[1.0] * len(text[end:]))
    return made


def coded(token: int, characters: tuple[int, int], weights: Sequence[float]) -> int:
    """A token with the weight of its last character: a piece of text begins with a space.

    Without a weight it is the token alone, as in training.
    """
    weight = round(weights[max(characters[1] - 1, 0)] * UNIT) if weights else UNIT
    return token if weight == UNIT else token | (weight + 1) << SHIFT
