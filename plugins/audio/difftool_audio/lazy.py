"""torchaudio, imported when it is first needed.

The import takes over a second, and many uses of this plugin do not need it.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from difftool import PluginError

FITTING = '"torch>=2.11,<2.15" "torchaudio>=2.11,<2.12"'


@cache
def torchaudio() -> ModuleType:
    """The module, with ``functional`` and ``transforms``. Raises PluginError if it cannot be
    imported.
    """
    try:
        import torchaudio as module
        import torchaudio.functional
        import torchaudio.transforms
    except (
        ImportError,
        OSError,
        RuntimeError,
    ) as error:  # OSError: its library does not fit the installed torch
        raise PluginError(
            "torchaudio cannot be imported, and sound needs it. Install a pair that fits: pip "
            f"install {FITTING}. ({_first_line(error)})"
        ) from error
    return module


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
