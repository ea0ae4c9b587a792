"""Sizes in a chain: what is requested of the last stage, and what each earlier one makes for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .chain_stage import ChainStage

if TYPE_CHECKING:
    from ..plugin.registry import Registry


def fitting_sizes(stages: Sequence[ChainStage], parts: Registry) -> list[ChainStage]:
    """The stages, with requests of the sizes from which the last one makes the requested size.

    Raises:
        UsageError: there is no such size.
    """
    found = [stages[-1]]
    for earlier in reversed(stages[:-1]):
        found.insert(0, _before(found[0], earlier, parts))
    return found


def _before(later: ChainStage, earlier: ChainStage, parts: Registry) -> ChainStage:
    """The earlier stage, which makes samples of the size that the later one refines."""
    from ..assemble import make_modality  # torch
    from ..rng import Streams

    modality = make_modality(later.config, parts)
    about, request = later.model.description, later.request
    rng = Streams(request.seed, "template", [request.start])
    shape = tuple(modality.template(about, 1, rng, later.shape).x.shape[1:])
    asked = _asked(later, modality.request_of(shape))
    if not asked:
        return earlier
    assert later.bridge is not None  # it refines the earlier stage
    try:
        smaller = later.bridge.earlier_shape(shape)
    except UsageError as error:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in asked)
        raise UsageError(
            f"{flags} says how large the samples of {later.name} are. {error}"
        ) from None
    sizes = make_modality(earlier.config, parts).request_of(smaller)
    chosen = {name: sizes[name] for name in asked if name in sizes}
    return replace(earlier, shape=earlier.shape.model_copy(update=chosen))


def _asked(stage: ChainStage, sizes: Mapping[str, Any]) -> list[str]:
    """The options of a request that say how large samples are, and are set."""
    usual = type(stage.shape)()
    return [name for name in sizes if getattr(stage.shape, name) != getattr(usual, name)]
