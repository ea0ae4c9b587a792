"""A trained stage in its place among others, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .compatible import Met
from .request import Wish

if TYPE_CHECKING:
    from ..bridge import Bridge


Told = Mapping[str, str | float | None]
"""The conditions of one example, as a user would write them; None for one that is not given."""


@dataclass(frozen=True)
class Link:
    """A trained stage in its place.

    Attributes:
        path: of its model file.
        met: its configuration, with all that is asked of it laid over it, and its data.
        bridge: to what it refines; None for a stage that refines nothing.
        wish: what is asked of it, but for what it is to refine.
    """

    name: str
    path: Path
    met: Met
    bridge: Bridge | None
    wish: Wish

    @property
    def able(self) -> list[str]:
        """The conditions that a user can give, and that an earlier stage can hand on."""
        own = own_conditions(self.bridge)
        return [name for name, c in self.met.description.conditions.items() if name not in own and c.settable]


def own_conditions(bridge: Bridge | None) -> set[str]:
    """The names of the conditions that a bridge sets."""
    return {condition.name for condition in bridge.conditions()} if bridge else set()


def handed(link: Link, told: Sequence[Told]) -> dict[str, list[str]]:
    """The conditions of the examples that a stage refines, as those of its own samples, which take values in turn by their index."""
    wish, found = link.wish, dict[str, list[str]]()
    for name in link.able:
        if all(name in one for one in told):
            texts = ["none" if (value := one[name]) is None else str(value) for one in told]
            turn = wish.start % len(texts)
            found[name] = texts[len(texts) - turn :] + texts[: len(texts) - turn]
    return found
