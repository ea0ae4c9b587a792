"""Containment: whatever a plugin does while it is imported stays with it.

It is told in one line that names the plugin, its package and its version; everything else works.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading

    from .discovery import Plugin

SLOW_S = 1.0
"""Seconds of an import that are worth a remark, because every command waits for them."""

HANGS_S = 3.0
"""Seconds after which an import that has not ended is told: until then nothing else happens."""

CONTAINED = (Exception, SystemExit, GeneratorExit)
"""What a plugin may raise; Ctrl-C still ends the command."""


class Watch:
    """Tells of a plugin that hangs, while it hangs: from a thread, which starts with the first.

    with Watch(tell) as watch:
        watch.importing(plugin)
    """

    def __init__(self, tell: Callable[[Plugin], None]) -> None:
        self._tell, self._since = tell, 0.0
        self._now: Plugin | None = None
        self._ended: threading.Event | None = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        if self._ended is not None:
            self._ended.set()

    def importing(self, plugin: Plugin) -> None:
        """The import of this plugin begins, and that of the one before has ended."""
        self._now, self._since = plugin, time.monotonic()
        if self._ended is None:
            import threading  # without plugins no command waits for it

            self._ended = threading.Event()
            threading.Thread(target=self._run, args=(self._ended,), daemon=True).start()

    def _run(self, ended: threading.Event) -> None:
        told: Plugin | None = None
        while not ended.wait(HANGS_S / 6):
            plugin, since = self._now, self._since
            if plugin and plugin is not told and time.monotonic() - since > HANGS_S:
                told = plugin
                self._tell(plugin)


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
