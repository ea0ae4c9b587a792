"""The order of convergence that a sampler declares, so that tests can verify it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def order(p: int | str | None, *, pathwise: bool = True) -> Callable[[F], F]:
    """Declare that halving every step divides the error by 2^p.

    The error is that of x for a deterministic sampler, and that of the variance of x otherwise.

    Args:
        p: the order, or the name of the knob that holds it. 0 says that the settings, not the
            number of steps, bound the error, as in Langevin dynamics. None says that the sampler
            solves no equation, such as one for consistency models.
        pathwise: on one path of noise, more steps approach one result. False for a sampler whose
            noise is not that of one reverse diffusion, such as one that goes back up.
    """

    def declare(sampler: F) -> F:
        vars(sampler)["order"] = p
        vars(sampler)["pathwise"] = pathwise
        return sampler

    return declare


def stated_order(sampler: Callable[..., Any], knobs: Mapping[str, Any]) -> int | None:
    """The order that a sampler declares with these knobs; None if it declares that it has none.

    Raises AttributeError if it declares nothing.
    """
    p = sampler.order  # type: ignore[attr-defined]  # ``order`` sets it
    found = knobs.get(p) if isinstance(p, str) else p
    return found if isinstance(found, int) else None
