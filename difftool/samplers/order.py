"""The order of convergence that a sampler claims, kept where a test can measure it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def order(p: int) -> Callable[[F], F]:
    """Declare that halving every step divides the error by 2^p: the error of x for a deterministic sampler, else of its variance."""

    def declare(sampler: F) -> F:
        vars(sampler)["order"] = p
        return sampler

    return declare
