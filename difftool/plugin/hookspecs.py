"""The hooks of plugins, one for each kind of part. Hooks return specs and import nothing heavy.

A plugin is a module that an entry point in the group ``difftool`` names. It defines functions with
these names, marked with ``@difftool.hookimpl``. difftool registers its own parts in the same way
(``difftool.plugin.builtin``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pluggy

from .kinds import KINDS, Kind
from .spec import Spec

PROJECT = "difftool"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


def _hook(kind: Kind) -> Callable[[], Iterable[Spec]]:
    def hook() -> Iterable[Spec]:
        raise NotImplementedError

    hook.__name__ = hook.__qualname__ = kind.hook
    called = f", called with {kind.arguments}" if kind.arguments else ""
    hook.__doc__ = f"{kind.summary} Yields ``{kind.spec.__name__}``. Target: {kind.target}{called}."
    return hookspec(hook)


globals().update({kind.hook: _hook(kind) for kind in KINDS.values()})
