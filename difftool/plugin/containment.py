"""Containment: whatever a plugin does while it is imported stays with it.

It is told in one line that names the plugin, its package and its version; everything else works.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import Any

SLOW_S = 1.0
"""Seconds of an import that are worth a remark, because every command waits for them."""

CONTAINED = (Exception, SystemExit, GeneratorExit)
"""What a plugin may raise; Ctrl-C still ends the command."""


def imported(load: Callable[[], object]) -> tuple[object, list[str]]:
    """What ``load`` returns, and remarks on the import.

    What the plugin prints goes to standard error: standard output belongs to the command. The
    exceptions of ``load`` are passed on.
    """
    torch_before, began = "torch" in sys.modules, time.monotonic()
    with redirect_stdout(sys.stderr):
        found = load()
    took, remarks = time.monotonic() - began, []
    if "torch" in sys.modules and not torch_before:
        remarks.append(
            "imports torch, so every command waits for it. Import it in the modules that the "
            "specs name."
        )
    elif took > SLOW_S:
        remarks.append(
            f"takes {took:.1f} s to import, so every command waits for it. Import what is slow in "
            "the modules that the specs name."
        )
    return found, remarks


def hook_remarks(module: object, hooks: Iterable[str], marker: str) -> list[str]:
    """Remarks on functions of a plugin's module that look like hooks and are not used.

    Args:
        hooks: the names of all hooks.
        marker: the attribute that ``hookimpl`` sets.
    """
    remarks, known = [], set(hooks)
    for name in sorted(name for name in vars(module) if name.startswith("difftool_")):
        options = getattr(getattr(module, name), marker, None)
        if options is None:
            if callable(getattr(module, name)) and name in known:
                remarks.append(
                    f"has a function {name} without @difftool.hookimpl, so it is not used."
                )
        elif name not in known and not _optional(options):
            close = get_close_matches(name, known, n=1, cutoff=0.8)
            hint = f"Did you mean {close[0]}?" if close else "Is it of a newer difftool?"
            remarks.append(f"has a hook {name}, which this difftool does not know. {hint}")
    return remarks


def _optional(options: Any) -> bool:
    return bool(isinstance(options, dict) and options.get("optionalhook"))
