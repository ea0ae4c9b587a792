"""Data: folders to items, items to a memory-mapped cache, the cache to batches.

``difftool.data.check`` reports what a model would see in the data, and what is wrong with it.
``difftool.data.open`` gives the examples themselves.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["check", "open"]

_HOME = {"check": ("check", "check"), "open": ("build", "open_data")}


def __getattr__(name: str) -> Any:
    if name in _HOME:  # they belong to a higher floor, but users look for them here
        module, function = _HOME[name]
        return getattr(import_module(f"difftool.workflows.{module}"), function)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
