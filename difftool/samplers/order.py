"""The order of convergence that a sampler declares, so that tests can verify it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def order(p: int) -> Callable[[F], F]:
    """Declare that halving every step divides the error by 2^p.

    The error is that of x for a deterministic sampler, and that of the variance of x otherwise.
    """

    def declare(sampler: F) -> F:
        vars(sampler)["order"] = p
        return sampler

    return declare
