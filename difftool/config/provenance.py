"""Which package each part of a run or a model came from: recorded with it, and told where it is
missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import DifftoolError
from ..files import contents
from ..header import MODEL, read_about
from ..plain import parse_json
from ..plugin.known import provider_of
from ..plugin.loose import LOOSE
from ..plugin.registry import Registry
from ..shell import quoted
from .config import PARTS, SEVERAL, Config, Part

ENVIRONMENT = "environment.json"
ENTRY = "parts"
"""The entry of a model file's header and of ``environment.json``: kind and name -> package."""


def packages(config: Config, registry: Registry) -> dict[str, str]:
    """The package and version of every part of a configuration, such as ``{"backbone unet":
    "difftool 0.1.0"}``.
    """
    chosen: list[tuple[str, Part]] = [(PARTS[t].name, getattr(config, t)) for t in PARTS]
    for table, kind in SEVERAL.items():
        chosen += [(kind.name, part) for part in getattr(config, table).values()]
    found = {}
    for kind_name, part in chosen:
        if part.use in registry.names(kind_name) or ":" in part.use:
            spec = registry.get(kind_name, part.use)
            found[f"{kind_name} {part.use}"] = registry.provider(spec).package
    return found


def needed(kind: str, name: str, origin: str) -> str:
    """What to install for a part that a run or a model needs.

    Args:
        origin: the file that names the part: a model file, or a file in a run's folder.
    """
    package = _recorded(origin).get(f"{kind} {name}", "") or provider_of(kind, name)
    if not package:
        return (
            f"{origin} was made with the {kind} {name!r}, which no installed plugin provides. "
            "Install the plugin that it comes from; difftool plugins list shows those that are "
            "installed."
        )
    if package.endswith(LOOSE):
        file = package.removesuffix(LOOSE).strip()
        return (
            f"{origin} needs the {kind} {name!r} of the file {file}. Pass --plugin {file}, or put "
            "the file back: no installed plugin provides it."
        )
    distribution = package.partition(" ")[0]
    return (
        f"{origin} needs the {kind} {name!r} of {package}: pip install {quoted(distribution)}. It "
        "was made with it, and no installed plugin provides it."
    )


def _recorded(origin: str) -> Mapping[str, str]:
    """The packages that a model file or a run records; empty if it records none."""
    path = Path(origin)
    try:
        if path.suffix == ".safetensors":
            return _texts(read_about(path, MODEL).get(ENTRY))
        return _texts(parse_json(contents(path.parent / ENVIRONMENT)).get(ENTRY))
    except (OSError, ValueError, AttributeError, DifftoolError):
        return {}


def _texts(found: object) -> Mapping[str, str]:
    items = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in items if isinstance(value, str)}
