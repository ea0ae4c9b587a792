"""``difftool plugins``: the plugins that are installed, whether they keep their promises, and how
to begin one.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from ..errors import PluginError
from ..plugin.kinds import KINDS
from .console import out, out_json, out_level, out_table
from .flags import registry
from .plugins_new import new

if TYPE_CHECKING:
    from ..plugin.discovery import Plugin
    from ..plugin.registry import Registry


@click.group()
def plugins() -> None:
    """List the installed plugins, or create a new one."""


plugins.add_command(new)


@plugins.command("list", short_help="List plugins, their packages, and what they provide.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_list(ctx: click.Context, as_json: bool) -> None:
    """List plugins, their packages, and what they provide; broken ones with the reason.

    The exit code is 4 if a plugin is broken or two of them claim one name.
    """
    parts = registry(ctx)
    found = parts.plugins
    if as_json:
        out_json([_row(parts, plugin) for plugin in found])
    else:
        rows = [(p.name, p.distribution, p.version, _provided(parts, p)) for p in found]
        out_table(rows, ("plugin", "package", "version", "provides"))
    if any(plugin.error or parts.clashes(plugin) for plugin in found):
        ctx.exit(PluginError.exit_code)


def _row(parts: Registry, plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "package": plugin.distribution,
        "version": plugin.version,
        "error": plugin.error,
        "clashes": parts.clashes(plugin),
        "remarks": parts.remarks(plugin),
        "provides": parts.provides(plugin),
    }


def _provided(parts: Registry, plugin: Plugin) -> str:
    """What a plugin provides, and what is wrong with it."""
    if plugin.error:
        return f"broken: {plugin.error}"
    counts = _counts(parts.provides(plugin))
    clashes = parts.clashes(plugin)
    return f"{counts}; claimed by another plugin too: {', '.join(clashes)}" if clashes else counts


@plugins.command("check", short_help="Hold an installed plugin to the contracts of its parts.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_check(ctx: click.Context, name: str, as_json: bool) -> None:
    """Say what every part of the plugin NAME promises and breaks; NAME may also be that of its
    package.

    The exit code is 4 if anything is broken.
    """
    # it imports pydantic, for which the other commands of this group would wait
    from ..workflows.check_plugin import check_plugin, find_plugin

    parts = registry(ctx)
    verdicts = check_plugin(find_plugin(name, parts), parts)
    if as_json:
        out_json([asdict(verdict) for verdict in verdicts])
    else:
        for verdict in verdicts:
            out_level(
                "broken" if verdict.broken else "ok",
                f"{verdict.part}: keeps {verdict.kept} of {verdict.kept + len(verdict.broken)}",
                width=7,
            )
            for line in (*verdict.broken, *([verdict.note] if verdict.note else [])):
                out(f"       {line}")
    if broken := [verdict.part for verdict in verdicts if verdict.broken]:
        raise PluginError(
            f"{len(broken)} of {len(verdicts)} parts of {name} break a promise: "
            f"{', '.join(broken)}."
        )


def _counts(provides: dict[str, list[str]]) -> str:
    return (
        ", ".join(
            f"{len(names)} {KINDS[kind].plural if len(names) > 1 else kind}"
            for kind, names in provides.items()
        )
        or "nothing"
    )
