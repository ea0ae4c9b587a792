"""Data: folders to items, items to a memory-mapped cache, the cache to batches.

``difftool.data.check`` reports what a model would see in the data, and what is wrong with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["check"]


def __getattr__(name: str) -> Any:
    if name == "check":  # it belongs to a higher floor, but users look for it here
        return import_module("difftool.workflows.check").check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
