"""Commands that plugins bring: found in the metadata of packages, and imported when they are
called.
"""

from __future__ import annotations

import sys
from collections.abc import Collection
from functools import cache

import click

from ..errors import PluginError
from ..plugin.containment import CONTAINED
from ..plugin.discovery import COMMANDS, EntryPoint, Plugin, chosen, entry_points, is_chosen
from .console import say


def plugin_commands(core: Collection[str]) -> dict[str, EntryPoint]:
    """The commands of plugins by name, found once for each choice of plugins."""
    return _found(tuple(core), tuple(sys.path), frozenset(chosen() or ()), chosen() is None)


@cache
def _found(core: Collection[str], *state: object) -> dict[str, EntryPoint]:
    """The commands of plugins by name.

    Names that are taken, by the core or by another plugin, are refused on stderr.

    Args:
        core: names of the core's own commands.
    """
    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(COMMANDS):
        if chosen() is not None and not is_chosen(point.name, point.package()[0]):
            continue
        if point.name in core:
            say(
                f"The command {point.name!r} of {_package(point)} is left out: difftool has one "
                "of this name. Rename it."
            )
        else:
            found.setdefault(point.name, []).append(point)
    for name, points in found.items():
        if len(points) > 1:
            packages = " and ".join(_package(point) for point in points)
            say(
                f"The command {name!r} is left out: {packages} both bring one. Uninstall one of "
                "them."
            )
    return {name: points[0] for name, points in found.items() if len(points) == 1}


def load_command(point: EntryPoint) -> click.Command:
    """Import a plugin's command.

    Raises:
        PluginError: it cannot be imported, or is not a command.
    """
    plugin = Plugin(point.name, point.target, *point.package())
    try:
        command = point.load()
    except CONTAINED as error:
        raise PluginError(
            f"The command {point.name!r} of {plugin.package} could not be imported: "
            f"{plugin.failed(error).error}"
        ) from error
    if not isinstance(command, click.Command):
        raise PluginError(
            f"{point.target} of {plugin.package} is not a click command, so difftool {point.name} "
            "cannot be run."
        )
    return command


def _package(point: EntryPoint) -> str:
    return " ".join(point.package())
