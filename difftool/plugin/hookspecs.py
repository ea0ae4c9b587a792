"""The hooks of the plugin door, one for each kind of part. Each returns specs; nothing heavy is imported to answer.

A plugin is a module named by an entry point in the group ``difftool``, holding functions of these names marked with
``@difftool.hookimpl``. difftool's own parts come through the same door (``difftool.plugin.builtin``).
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
