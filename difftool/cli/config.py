"""``difftool config``: configuration files, without training anything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..config import gather, project_note, resolve, trace
from ..config.schema import schema as make
from ..errors import ConfigError
from .console import out, out_json, out_table, say
from .flags import registry


@click.group()
def config() -> None:
    """Show, check or describe configuration files."""


@config.command(short_help="Print the whole configuration as a TOML file.")
@click.option("-m", "--modality", metavar="NAME[/REPR]", help="The kind of data.")
@click.option("--recipe", metavar="NAME|FILE", help="The recipe to start from.")
@click.option(
    "--config",
    "configs",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A TOML file; may be repeated.",
)
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option("--origins", is_flag=True, help="Show where each value was set.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def show(
    ctx: click.Context,
    modality: str | None,
    recipe: str | None,
    configs: tuple[Path, ...],
    sets: tuple[str, ...],
    origins: bool,
    as_json: bool,
) -> None:
    """Print the configuration that difftool train would use, as a TOML file that can be edited and
    fed back.
    """
    parts = registry(ctx)
    if note := project_note():
        say(note)
    found = trace(modality, gather(parts, modality, recipe, configs, (), sets), parts)
    if origins:
        rows = _rows(found.config.to_dict(), found.origins)
        if as_json:
            out_json(
                [{"key": key, "value": value, "origin": origin} for key, value, origin in rows]
            )
        else:
            out_table(rows, ("key", "value", "origin"))
    elif as_json:
        out_json(found.config.to_dict())
    else:
        out(found.config.to_toml().rstrip())


def _rows(
    tables: Mapping[str, Any], origins: Mapping[tuple[str, ...], str], path: tuple[str, ...] = ()
) -> list[tuple[str, Any, str]]:
    rows: list[tuple[str, Any, str]] = []
    for name, value in tables.items():
        here = (*path, name)
        if isinstance(value, dict):
            rows += _rows(value, origins, here)
        else:
            rows.append((".".join(here), value, origins.get(here, "default")))
    return rows


@config.command(short_help="Check TOML files; every fault is reported with its place.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-m", "--modality", metavar="NAME[/REPR]", help="The kind of data, where the files do not say."
)
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.pass_context
def check(
    ctx: click.Context, files: tuple[Path, ...], modality: str | None, sets: tuple[str, ...]
) -> None:
    """Check TOML files, each on its own over the defaults; every fault is reported with its place."""
    parts = registry(ctx)
    faults: list[str] = []
    for path in files:
        try:
            resolve(modality, gather(parts, modality, None, [path], (), sets, project=None), parts)
        except ConfigError as error:
            faults += [
                fault if str(path) in fault else f"{path}: {fault}" for fault in error.faults
            ]
        else:
            say(f"{path}: ok")
    if faults:
        raise ConfigError(list(dict.fromkeys(faults)))


@config.command(short_help="Print the JSON schema of a file, for editors.")
@click.option("-m", "--modality", metavar="NAME", help="Only what goes with this kind of data.")
@click.pass_context
def schema(ctx: click.Context, modality: str | None) -> None:
    """Print the JSON schema of a configuration file, for editors that complete and check while one
    writes.
    """
    out_json(make(registry(ctx), modality))
