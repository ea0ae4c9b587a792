"""Files that are given to a stage of a cascade to refine, in place of what an earlier stage makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import UsageError
from .console import say

if TYPE_CHECKING:
    import numpy as np

    from ..modality import Item, Modality
    from .chain import Link

Told = Mapping[str, str | float | None]
"""The conditions of one example, as a user would write them; None for one that is not given."""


def read_low(item: Item, modality: Modality, link: Link, degraded: bool) -> np.ndarray:
    """A file as an earlier stage would have made it, in raw units.

    Args:
        modality: the earlier stage's.
        degraded: it is the stage's own, as no earlier one is named, and what it reads is brought down as in training.
    """
    from ..engine.generate import unpadded
    from ..rng import Stream

    whole = modality.read(item)
    raw = modality.collate([whole], Stream(link.wish.seed, "given"))
    if unpadded(raw.x, raw)[0].size < whole.size:
        say(f"{item.path} is longer than what the model was trained on: a part of it, taken at random, is refined.")
    if degraded and link.bridge is not None:
        raw = link.bridge.degrade(raw)
    return unpadded(raw.x, raw)[0]


def told_of(item: Item, link: Link) -> Told:
    """What its folder or a table says of a file, where the stage knows that value; the rest is left open."""
    return {name: _known(link, name, item.columns.get(name)) for name in link.able}


def _known(link: Link, name: str, value: str | float | None) -> str | None:
    from ..data.columns import text_of

    if value is None:
        return None
    try:
        link.met.description.conditions[name].parse(text_of(value))
    except UsageError:
        return None
    return text_of(value)
