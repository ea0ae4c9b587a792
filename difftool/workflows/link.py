"""A trained stage in its place among others, and what is asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .model import ModelFile
from .request import Request

if TYPE_CHECKING:
    from ..bridge import Bridge
    from ..config import Config
    from ..options import Options

Conditions = Mapping[str, str | float | None]
"""The conditions of one example, as a user would write them; None for one that is not given."""


@dataclass(frozen=True)
class Link:
    """A trained stage in its place.

    Attributes:
        model: its file, of which no weights are read yet.
        config: the model's, with all that is asked of it laid over it.
        shape: what is asked of the modality, such as a size.
        bridge: to what it refines; None for a stage that refines nothing.
        request: what is asked of it, but for what it is to refine.
    """

    name: str
    model: ModelFile
    config: Config
    shape: Options
    bridge: Bridge | None
    request: Request

    @property
    def able(self) -> list[str]:
        """The conditions that a user can give, and that an earlier stage can hand on."""
        own = own_conditions(self.bridge)
        return [name for name, c in self.model.description.conditions.items() if name not in own and c.settable]


def own_conditions(bridge: Bridge | None) -> set[str]:
    """The names of the conditions that a bridge sets."""
    return {condition.name for condition in bridge.conditions()} if bridge else set()


def handed(link: Link, told: Sequence[Conditions]) -> dict[str, list[str]]:
    """The conditions of the examples that a stage refines, as those of its own samples, which take values in turn by their index."""
    request, found = link.request, dict[str, list[str]]()
    for name in link.able:
        if all(name in one for one in told):
            texts = ["none" if (value := one[name]) is None else str(value) for one in told]
            turn = request.start % len(texts)
            found[name] = texts[len(texts) - turn :] + texts[: len(texts) - turn]
    return found
