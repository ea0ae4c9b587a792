"""From the path that a user names to a folder or file on this machine, by whichever source takes it."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from hashlib import blake2b
from pathlib import Path

from ..errors import PluginError
from ..files import building
from ..options import Options
from ..plugin.kinds import AUTO
from ..plugin.registry import Registry
from ..plugin.spec import SourceSpec
from ..source import Source
from .cache import place
from .remark import remark, remarks

FILES = "files"
REMARKS = "remarks.json"


def locate(path: str, registry: Registry, use: str = AUTO, options: Options | None = None) -> Path:
    """Where the data of a path lies, as a folder or a file; what must be unpacked or fetched is, once, into the cache.

    Args:
        use: the name of a source; ``auto`` for the one that takes such paths.
        options: of the source; its defaults unless given.

    Raises:
        DataError: the data is not there, or cannot be read.
        PluginError: two packages take such paths.
    """
    spec = source_for(path, registry) if use == AUTO else registry.get("source", use)
    given = options if options is not None and use != AUTO else registry.options(spec)()
    source: Source = registry.load(spec)(given)
    path = absolute(path)
    identity = source.identity(path)
    return _made(source, path, f"{spec.name}\n{given.model_dump_json()}\n{identity}") if identity else Path(path)


def absolute(path: str) -> str:
    """A path as it reads from any folder; one that names a protocol is left as it is."""
    return path if "://" in path else str(Path(path).expanduser().absolute())


def source_for(path: str, registry: Registry) -> SourceSpec:
    """The source that takes such a path: one that names its form comes before those that take any.

    Raises:
        PluginError: several name its form.
    """
    specs = [spec for spec in registry.specs("source") if isinstance(spec, SourceSpec)]
    taking = [spec for spec in specs if _takes(spec, path)]
    found = [spec for spec in taking if "*" not in spec.patterns] or taking
    if len(found) > 1:
        packages = " and ".join(f"{spec.name!r} of {registry.provider(spec).package}" for spec in found)
        raise PluginError(f"{path} can be read by {packages}. Say which: --set source.use=NAME")
    return found[0]


def _takes(spec: SourceSpec, path: str) -> bool:
    if any(fnmatchcase(path.lower(), pattern) for pattern in spec.patterns):
        return True
    folder = Path(path).expanduser()
    if not spec.folders or not folder.is_dir():
        return False
    names = [entry.name.lower() for entry in folder.iterdir() if not entry.name.startswith(".")]
    return bool(names) and all(any(fnmatchcase(name, pattern) for pattern in spec.folders) for name in names)


def _made(source: Source, path: str, identity: str) -> Path:
    """The folder in the cache, filled when it is not there."""
    folder = place(f"sources/{blake2b(identity.encode(), digest_size=10).hexdigest()}")
    if not folder.is_dir():
        with building(folder) as partial, remarks() as said:
            (partial / FILES).mkdir()
            source.fill(path, partial / FILES)
            (partial / REMARKS).write_text(json.dumps(said), encoding="utf-8")
    for text in json.loads((folder / REMARKS).read_text(encoding="utf-8")):
        remark(text)
    return _top(folder / FILES)


def _top(folder: Path) -> Path:
    """The folder itself, or the only one in it, and so on: ``photos.zip`` often holds ``photos/``, which says nothing of the examples."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    return _top(entries[0]) if len(entries) == 1 and entries[0].is_dir() else folder
