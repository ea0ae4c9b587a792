"""torch.compile, region by region.

Compiling a whole network takes minutes. Its blocks are alike, so each is compiled by itself, and
blocks of equal shapes share the result. What was compiled is kept in the cache folder, where the
next run finds it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
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
    keep_compiled(cache_root() / "compiled")
    import torch._dynamo

    config = torch._dynamo.config
    config.suppress_errors = True  # an op that does not compile runs as it is, with a warning
    config.recompile_limit = max(config.recompile_limit, MOST)
    for module in regions_of(objective):
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
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))
    os.environ.setdefault("TRITON_CACHE_DIR", str(folder / "triton"))
