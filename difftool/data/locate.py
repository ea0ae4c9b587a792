"""locate: a user's path -> a folder or file on this machine, through the source that accepts it."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path

from ..errors import PluginError
from ..files import building
from ..names import URI, local_path
from ..options import Options
from ..plugin.kinds import AUTO
from ..plugin.registry import Registry
from ..plugin.spec import SourceSpec
from ..source import Source
from .cache import cache_path
from .remark import remark, remarks

FILES = "files"
REMARKS = "remarks.json"


def locate(path: str, registry: Registry, use: str = AUTO, options: Options | None = None) -> Path:
    """The folder or file that holds the data of a path; archives are unpacked into the cache once.

    Args:
        use: the name of a source; ``auto`` selects the source that accepts the path.
        options: of the source; None for its defaults.

    Raises:
        DataError: the data does not exist or cannot be read.
        PluginError: the sources of two packages accept the path.
    """
    spec = source_for(path, registry) if use == AUTO else registry.get("source", use)
    given = options if options is not None and use != AUTO else registry.options(spec)()
    source: Source = registry.load(spec)(given)
    path = absolute(path)
    identity = source.identity(path)
    return (
        _unpacked(source, path, f"{spec.name}\n{given.model_dump_json()}\n{identity}")
        if identity
        else Path(path)
    )


def absolute(path: str) -> str:
    """The absolute path; a path with another protocol than ``file://`` is unchanged."""
    return path if "://" in path and not path.startswith(URI) else str(local_path(path).absolute())


def source_for(path: str, registry: Registry) -> SourceSpec:
    """The source that accepts a path; a specific pattern comes before one that accepts all.

    Raises:
        PluginError: several sources have a specific pattern for the path.
    """
    specs = [spec for spec in registry.specs("source") if isinstance(spec, SourceSpec)]
    accepting = [spec for spec in specs if _accepts(spec, path)]
    found = [spec for spec in accepting if "*" not in spec.patterns] or accepting
    if len(found) > 1:
        packages = " and ".join(
            f"{spec.name!r} of {registry.provider(spec).package}" for spec in found
        )
        raise PluginError(
            f"{path} can be read by {packages}. Choose one with --set source.use=NAME."
        )
    return found[0]


def _accepts(spec: SourceSpec, path: str) -> bool:
    if any(fnmatchcase(path.lower(), pattern) for pattern in spec.patterns):
        return True
    folder = local_path(path)
    if not spec.folders or not folder.is_dir():
        return False
    names = [entry.name.lower() for entry in folder.iterdir() if not entry.name.startswith(".")]
    return bool(names) and all(
        any(fnmatchcase(name, pattern) for pattern in spec.folders) for name in names
    )


def _unpacked(source: Source, path: str, identity: str) -> Path:
    """The folder in the cache; it is filled if it does not exist."""
    folder = cache_path(f"sources/{blake2b(identity.encode(), digest_size=10).hexdigest()}")
    if not folder.is_dir():
        with building(folder) as partial, remarks() as texts:
            (partial / FILES).mkdir()
            source.fill(path, partial / FILES)
            (partial / REMARKS).write_text(json.dumps(texts), encoding="utf-8")
    for text in json.loads((folder / REMARKS).read_text(encoding="utf-8")):
        remark(text)
    return _top(folder / FILES)


def _top(folder: Path) -> Path:
    """The first folder down the tree that holds more than a single folder.

    ``photos.zip`` often holds just ``photos/``, which is not a class.
    """
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return _top(entries[0]) if len(entries) == 1 and entries[0].is_dir() else folder
