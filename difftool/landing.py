"""Where the steps of a sampler end, for a model that is told: one that learned whole steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def lands(where: Callable[..., float]) -> Callable[[F], F]:
    """Declare to which level the estimate of a step should lead: ``where(sigma_next, **knobs)``.

    A model of trajectories is asked for the estimate that leads exactly there. Of a sampler that
    declares nothing, it is asked to denoise.
    """

    def declare(sampler: F) -> F:
        vars(sampler)["lands"] = where
        return sampler

    return declare


def landings(
    sampler: Callable[..., Any], sigmas: Sequence[float], knobs: Mapping[str, Any]
) -> list[float]:
    """The level where the step from each of ``sigmas`` but the last should lead."""
    where = vars(sampler).get("lands")
    if where is None:
        return list(sigmas[:-1])
    return [where(sigma_next, **knobs) for _, sigma_next in pairwise(sigmas)]


def to_next(sigma_next: float, **knobs: Any) -> float:
    """The step leads to the next level."""
    del knobs
    return sigma_next


def to_data(sigma_next: float, **knobs: Any) -> float:
    """The step leads to the data, whatever is done then."""
    del sigma_next, knobs
    return 0.0
