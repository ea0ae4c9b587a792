"""Discovery: the installed plugins and the requirements of their packages.

Entry points are read directly from the metadata folders on ``sys.path``, because importing and
using ``importlib.metadata`` takes longer than all the rest of ``difftool --help``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

from ..errors import PluginError

GROUP = "difftool"
"""The group of entry points that are plugins.

Plugins for another level of the plugin interface name
it: ``difftool.2``."""

LEVEL = 1
"""The level of the plugin interface that this difftool has."""

COMMANDS = "difftool.commands"
"""The group of entry points that are commands."""

CHOSEN = "DIFFTOOL_PLUGINS"
"""Environment variable: the only plugins to use, by the names of plugins or of their packages,
separated by commas; empty for none."""

METADATA = (".dist-info", ".egg-info")
UNKNOWN = ("an unknown package", "of unknown version")


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """One entry point of an installed package.

    Attributes:
        name, target: as declared by the package; the target is ``module`` or ``module:attribute``.
        folder: the folder of the package's metadata.
    """

    name: str
    target: str
    folder: str

    def load(self) -> Any:
        """Import the target. Any exception of the import is passed on."""
        module, _, attribute = self.target.partition(":")
        found = import_module(module)
        for part in filter(None, attribute.split(".")):
            found = getattr(found, part)
        return found

    def package(self) -> tuple[str, str]:
        """Name and version of the package."""
        about = self._about()
        return about.get("Name", UNKNOWN[0]), about.get("Version", UNKNOWN[1])

    def summary(self) -> str:
        """The package's one-line summary."""
        return self._about().get("Summary", "")

    def _about(self) -> dict[str, str]:
        text = _read(os.path.join(self.folder, "METADATA")) or _read(
            os.path.join(self.folder, "PKG-INFO")
        )
        return dict(
            line.split(": ", 1) for line in text.split("\n\n", 1)[0].splitlines() if ": " in line
        )


def entry_points(group: str, path: Iterable[str] | None = None) -> list[EntryPoint]:
    """The entry points of a group, sorted by name. If a package exists twice, the first one counts.

    Args:
        path: folders to search; None for ``sys.path``.
    """
    found = [point for own, point in _all_points(group, path) if own == group]
    return sorted(found, key=lambda point: point.name)


def chosen() -> set[str] | None:
    """The plugins that ``DIFFTOOL_PLUGINS`` names; None for all that are installed."""
    only = os.environ.get(CHOSEN)
    return None if only is None else {name.strip() for name in only.split(",")} - {""}


def is_chosen(name: str, distribution: str) -> bool:
    """Whether a plugin is to be used."""
    wanted = chosen()
    return wanted is None or bool({name, distribution} & wanted)


def plugin_points() -> list[tuple[EntryPoint, int]]:
    """The entry points of all plugins, each with the level of the interface that it is written for.

    A package that names several levels, to serve several versions of difftool, is taken at the
    highest of them that this difftool has.
    """
    found: dict[tuple[str, str], tuple[EntryPoint, int]] = {}
    for group, point in _all_points(GROUP):
        level = 1 if group == GROUP else int(group.removeprefix(f"{GROUP}.") or 1)
        known = found.get(key := (point.folder, point.name))
        if known is None or _rank(level) > _rank(known[1]):
            found[key] = (point, level)
    return sorted(found.values(), key=lambda one: one[0].name)


def _rank(level: int) -> tuple[bool, int]:
    """Levels that this difftool has come before newer ones, and higher ones before lower ones."""
    return level <= LEVEL, level


def _all_points(prefix: str, path: Iterable[str] | None = None) -> Iterator[tuple[str, EntryPoint]]:
    """The entry points of a group, and of those whose names add a level to it."""
    for folder in _metadata_folders(sys.path if path is None else path):
        text = _read(os.path.join(folder, "entry_points.txt"))
        if f"[{prefix}" in text.replace(" ", ""):
            for group in _groups(text):
                if group == prefix or group.removeprefix(f"{prefix}.").isdecimal():
                    for name, target in _section(text, group):
                        yield group, EntryPoint(name, target, folder)


def _groups(text: str) -> list[str]:
    lines = map(str.strip, text.splitlines())
    return [line[1:-1].strip() for line in lines if line.startswith("[") and line.endswith("]")]


def _metadata_folders(path: Iterable[str]) -> Iterator[str]:
    seen = set()
    for root in path:
        try:
            names = os.listdir(root or ".")
        except OSError:  # a zip file, or a folder that does not exist
            continue
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if (
                suffix in METADATA
                and (project := stem.partition("-")[0].lower().replace(".", "_")) not in seen
            ):
                seen.add(project)
                yield os.path.join(root, name)


def _section(text: str, group: str) -> Iterator[tuple[str, str]]:
    """The lines ``name = target`` below ``[group]``, without extras."""
    here = False
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            here = line == f"[{group}]"
        elif here and "=" in line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield name.strip(), target.partition("[")[0].strip()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""


@dataclass(frozen=True, slots=True)
class Plugin:
    """One installed plugin.

    Attributes:
        name: of its entry point.
        module: the target of the entry point.
        distribution, version: of the package that provides it.
        error: why it could not be loaded; empty if it was loaded.
        api: the level of the plugin interface that it is written for.
    """

    name: str
    module: str
    distribution: str
    version: str
    error: str = ""
    api: int = LEVEL

    def of_another_level(self) -> str:
        """A remark if the plugin is written for an older interface that still works; else empty.

        Raises:
            PluginError: it is written for an interface that this difftool does not have.
        """
        if self.api in (LEVEL, LEVEL - 1):
            return (
                ""
                if self.api == LEVEL
                else (
                    f"is written for plugin interface {self.api}. It works in this version of "
                    f"difftool and not in the next: update it to interface {LEVEL}."
                )
            )
        newer = self.api > LEVEL
        raise PluginError(
            f"it is written for plugin interface {self.api}, and this difftool has {LEVEL}. "
            f"Upgrade {'difftool' if newer else self.distribution}"
        )

    @property
    def package(self) -> str:
        return f"{self.distribution} {self.version}"

    def complaint(self) -> str:
        """One line that says why the plugin could not be loaded."""
        return f"The plugin {self.name!r} of {self.package} could not be loaded: {self.error}"

    def failed(self, error: BaseException) -> Plugin:
        """A copy of the plugin with the reason why it could not be loaded."""
        return replace(self, error=one_line(error, self.distribution))


def one_line(error: BaseException, distribution: str) -> str:
    """The error of a package in one line, with its missing requirements."""
    text = f"{type(error).__name__}: {error}".splitlines()[0]
    if isinstance(error, PluginError):
        return str(error)
    missing = _unmet_of(distribution)
    return (
        f"{text} (it needs {', '.join(f'{r}: {found}' for r, found in missing)})"
        if missing
        else text
    )


def unmet(requirements: Iterable[str]) -> list[tuple[str, str]]:
    """The PEP 508 requirements that the environment does not meet, each with what was found."""
    from importlib.metadata import PackageNotFoundError, version

    from packaging.requirements import Requirement

    missing = []
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            missing.append((_bare(requirement), "not installed"))
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            missing.append((_bare(requirement), f"{found} is installed"))
    return missing


def _bare(requirement: Any) -> str:
    requirement.marker = None
    return str(requirement)


def _unmet_of(distribution: str) -> list[tuple[str, str]]:
    from importlib.metadata import PackageNotFoundError, requires

    try:
        return unmet(requires(distribution) or ())
    except (PackageNotFoundError, ValueError):
        return []
