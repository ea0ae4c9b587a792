"""Building a named part with its default options, as a run would."""

from __future__ import annotations

import re
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


def named(contract: type, part: str) -> type:
    """The suite under a name that says what it is applied to."""
    contract.__name__ = contract.__qualname__ = f"{contract.__name__}_{re.sub('[^0-9A-Za-z]+', '_', part)}"
    return contract
