"""Helpers that look up a part by name and build its options, as a run does."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..context import Opened
from ..plugin.registry import Registry

CPU = torch.device("cpu")


def opens_nothing(path: str | Path, /, *, ema: float | None = None) -> Opened:
    """The context's ``open`` where a contract is given no other."""
    raise AssertionError(f"It opens {path}: give the contract what to open, as opened=...")


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The registry of all installed parts."""
    return Registry.load_all()


def load(kind: str, name: str, **options: Any) -> tuple[Any, Any]:
    """The target of a part, and its options with these values."""
    spec = registry().get(kind, name)
    return registry().load(spec), registry().options(spec)(**options)


def needs_no_torch(kind: str, name: str) -> bool:
    """Whether the options of a part can be imported without torch."""
    spec = registry().get(kind, name)
    return not imports_torch(
        *{
            reference.partition(":")[0]
            for reference in (spec.options, getattr(spec, "request", ""))
            if reference
        }
    )


def imports_torch(*modules: str) -> bool:
    """Whether importing these modules imports torch."""
    code = (
        f"import importlib, sys; sys.path[:] = {sys.path}; [importlib.import_module(m) for m in "
        f"{sorted(modules)}]; sys.exit('torch' in sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode != 0


def named(contract: type, part: str, kind: str = "") -> type:
    """The test class, which says in its name and in ``part`` what it tests: the kind and the name.

    Args:
        kind: by default, the kind after which the contract is called.
    """
    kind = kind or contract.__name__.removesuffix("Contract").lower()
    contract.part = (kind, part)  # type: ignore[attr-defined]
    contract.__name__ = contract.__qualname__ = (
        f"{contract.__name__}_{re.sub('[^0-9A-Za-z]+', '_', part)}"
    )
    return contract


def half_mask(raw: Tensor, encoded: Sequence[int | None]) -> Tensor:
    """A mask of raw examples whose second half along the axis that varies is padding.

    Args:
        encoded: shape of an encoded example. Its first axis varies for point clouds ``[n, f]``;
            otherwise the last axis of raw examples is taken.
    """
    axis = 1 if encoded[0] is None else raw.ndim - 1
    shape = [1] * raw.ndim
    shape[axis] = raw.shape[axis]
    # an odd number, so that the border lies inside what a bridge or a representation puts together
    real = min(raw.shape[axis] - 1, raw.shape[axis] // 2 | 1)
    mask = torch.arange(raw.shape[axis]) < real
    return mask.reshape(shape).expand(len(raw), *shape[1:])
