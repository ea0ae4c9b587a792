"""``difftool plugins``: the plugins that are installed, whether they keep their promises, and how to begin one."""

from __future__ import annotations

from dataclasses import asdict

import click

from ..errors import PluginError
from ..plugin.kinds import KINDS
from .console import out, out_json, table
from .flags import registry
from .plugins_new import new


@click.group()
def plugins() -> None:
    """List the installed plugins, or create a new one."""


plugins.add_command(new)


@plugins.command("list", short_help="List plugins, their packages, and what they provide.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_list(ctx: click.Context, as_json: bool) -> None:
    """List plugins, their packages, and what they provide; broken ones with the reason."""
    parts = registry(ctx)
    if as_json:
        found = parts.plugins
        out_json(
            [
                {
                    "name": p.name,
                    "package": p.distribution,
                    "version": p.version,
                    "error": p.error,
                    "provides": parts.provides(p),
                }
                for p in found
            ]
        )
        return
    rows = [
        (
            p.name,
            p.distribution,
            p.version,
            f"broken: {p.error}" if p.error else _counts(parts.provides(p)),
        )
        for p in parts.plugins
    ]
    out(table(rows, ("plugin", "package", "version", "provides")))


@plugins.command("check", short_help="Hold an installed plugin to the contracts of its parts.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_check(ctx: click.Context, name: str, as_json: bool) -> None:
    """Say what every part of the plugin NAME promises and breaks; NAME may also be that of its package.

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
            out(
                f"{'broken' if verdict.broken else 'ok':<7}{verdict.part}: keeps {verdict.kept} of {verdict.kept + len(verdict.broken)}"
            )
            for line in (*verdict.broken, *([verdict.note] if verdict.note else [])):
                out(f"       {line}")
    if broken := [verdict.part for verdict in verdicts if verdict.broken]:
        raise PluginError(
            f"{len(broken)} of {len(verdicts)} parts of {name} break a promise: {', '.join(broken)}."
        )


def _counts(provides: dict[str, list[str]]) -> str:
    return (
        ", ".join(
            f"{len(names)} {KINDS[kind].plural if len(names) > 1 else kind}"
            for kind, names in provides.items()
        )
        or "nothing"
    )
