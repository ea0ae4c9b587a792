"""Building a named part with its default options, as a run would."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from ..registry import Registry


@lru_cache(maxsize=1)
def registry() -> Registry:
    """Everything that is installed."""
    return Registry.load_all()


def load(kind: str, name: str, **options: Any) -> tuple[Any, Any]:
    """The code of a part, and its options with these changes."""
    spec = registry().get(kind, name)
    return registry().load(spec), registry().options(spec)(**options)
