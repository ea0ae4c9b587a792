"""torch.compile, region by region, for training and for sampling.

Compiling a whole network takes minutes. Its blocks are alike, so each is compiled by itself, and
blocks of equal shapes share the result. What was compiled is kept in the cache folder, where the
next run finds it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from ..data.cache import cache_root
from ..nn.backbone import Backbone
from ..objective import Objective

MOST = 64
"""Most shapes for which one kind of block is compiled; blocks of further shapes run as they are."""


def compile_networks(objective: Objective) -> None:
    """Compile every backbone of an objective, and each player without one, in place.

    What does not compile runs uncompiled.
    """
    _compile(regions_of(objective))


@contextmanager
def compiled(models: Iterable[nn.Module]) -> Iterator[None]:
    """Inside the block the backbones of these models are compiled, as for training."""
    backbones = [one for model in models for one in model.modules() if isinstance(one, Backbone)]
    regions = [region for one in backbones for region in one.regions()]
    fresh = [region for region in regions if region._compiled_call_impl is None]
    _compile(fresh)
    try:
        yield
    finally:
        for region in fresh:
            region._compiled_call_impl = None


def _compile(regions: Iterable[nn.Module]) -> None:
    keep_compiled(cache_root() / "compiled")
    import torch._dynamo

    config = torch._dynamo.config
    config.suppress_errors = True  # an op that does not compile runs as it is, with a warning
    config.recompile_limit = max(config.recompile_limit, MOST)
    for module in regions:
        module.compile(dynamic=False)


def regions_of(objective: Objective) -> Iterator[nn.Module]:
    """The modules that are compiled, each by itself."""
    backbones = [module for module in objective.modules() if isinstance(module, Backbone)]
    for backbone in backbones:
        yield from backbone.regions()
    for player in objective.players():
        if not any(module in backbones for module in player.module.modules()):
            yield player.module


def keep_compiled(folder: Path) -> None:
    """Keep what is compiled from here on in this folder, unless the user chose another."""
    for name, chosen in {
        "TORCHINDUCTOR_CACHE_DIR": folder,
        "TRITON_CACHE_DIR": folder / "triton",
    }.items():
        if os.environ.get(name) in (None, _torch_s_own(name)):
            os.environ[name] = str(chosen)


def _torch_s_own(name: str) -> str | None:
    """The folder that torch itself put into the variable, which it does when it is imported whole."""
    inductor = sys.modules.get("torch._inductor.runtime.cache_dir_utils")
    return inductor.default_cache_dir() if inductor and name.startswith("TORCH") else None
