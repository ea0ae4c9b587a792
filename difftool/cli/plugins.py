"""``difftool plugins``: the plugins that are installed, and how to begin one."""

from __future__ import annotations

import click

from ..plugin.kinds import KINDS
from .console import out, out_json, table
from .flags import registry
from .plugins_new import new


@click.group()
def plugins() -> None:
    """The plugins that are installed, and how to begin one."""


plugins.add_command(new)


@plugins.command("list", short_help="List plugins, their packages, and what they bring.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def plugins_list(ctx: click.Context, as_json: bool) -> None:
    """List plugins, their packages, and what they bring; broken ones with the reason."""
    parts = registry(ctx)
    if as_json:
        found = parts.plugins
        out_json(
            [
                {"name": p.name, "package": p.distribution, "version": p.version, "error": p.error, "provides": parts.provides(p)}
                for p in found
            ]
        )
        return
    rows = [(p.name, p.distribution, p.version, f"broken: {p.error}" if p.error else _counts(parts.provides(p))) for p in parts.plugins]
    out(table(rows, ("plugin", "package", "version", "provides")))


def _counts(provides: dict[str, list[str]]) -> str:
    return ", ".join(f"{len(names)} {KINDS[kind].plural if len(names) > 1 else kind}" for kind, names in provides.items()) or "nothing"
