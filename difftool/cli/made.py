"""Samples of a chain of stages, kept in memory to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .against import Drawn
from .console import say
from .progress import counted

if TYPE_CHECKING:
    import numpy as np

    from ..engine.generate import Generated
    from ..plugin.registry import Registry
    from .chain import Chain


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        info: provenance.
        low: what each of them refines; empty where they refine nothing.
    """

    examples: Sequence[np.ndarray]
    info: Mapping[str, Any] = field(default_factory=dict)
    low: Sequence[np.ndarray] = ()


def made_by(chain: Chain, parts: Registry) -> Made:
    """The samples of the last stage, each stage loaded when its turn has come."""
    low, told, info = chain.low, chain.told, dict[str, Any]()
    shown = low
    for number, link in enumerate(chain.links):
        if len(chain.links) > 1:
            say(f"{link.name}:")
        shown = low
        made, info = _stage_samples(chain, number, parts, low, told)  # a function of its own: it leaves the device empty
        low, told = [one.example for one in made], [one.cond for one in made]
    return Made(low, info, shown)


def _stage_samples(chain: Chain, number: int, parts: Registry, low: Any, told: Any) -> tuple[list[Generated], dict[str, Any]]:
    from ..engine.generate import generate

    made = chain.grant(number, parts, low, told)
    drawn = generate(made.stage, made.request)
    return list(counted(drawn, made.request.n, "sampling")), dict(made.info)


def refining(chain: Chain, data: Drawn) -> Chain:
    """A chain whose first stage refines data of its last one, brought down as in training: the first examples, or half of them."""
    from ..engine.consistency import degraded

    n = min(chain.n, len(data.examples) // 2)
    low: Sequence[np.ndarray] = data.examples[:n]
    for link in reversed(chain.links):
        assert link.bridge is not None  # each refines the one before it, or what is given
        low = degraded(link.bridge, low)
    told = data.told(chain.links[0], n)
    return chain.given(low, told, agree=True)
