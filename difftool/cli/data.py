"""``difftool data``: look at data before training on it."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import DataError
from ..workflows.announce import announce_project
from ..workflows.check import findings
from .console import out_json, out_level
from .flags import Flag, Sectioned, given, registry
from .terminal import Terminal
from .train import named_modality, own_flags


@click.group()
def data() -> None:
    """Look at data before training on it."""


class Check(Sectioned):
    """The modality's flags, with which train is called as well."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts = registry(ctx)
        taken = {name.lstrip("-") for param in self.params for name in param.opts}
        return own_flags(
            parts, named_modality(args, parts), None, taken, "--help" in args or "-h" in args
        )


@data.command(cls=Check, short_help="Say what a model would see in DATA, and what is wrong.")
@click.argument("path", metavar="DATA", type=click.Path(path_type=Path))
@click.option("-m", "--modality", metavar="NAME", help="The kind of data.")
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def check(
    ctx: click.Context, path: Path, modality: str | None, sets: tuple[str, ...], as_json: bool
) -> None:
    """Say what a model would see in DATA, and what is wrong with it; exit code 3 when it cannot be
    trained on.
    """
    announce_project(Terminal())
    found = findings(path, modality, given(ctx), sets, registry(ctx))
    if as_json:
        out_json([{"level": finding.level, "text": finding.text} for finding in found])
    else:
        for finding in found:
            out_level(f"{finding.level}:", finding.text)
    errors = sum(finding.level == "error" for finding in found)
    if errors:
        raise DataError(
            f"{path} has {errors} fault{'s' * (errors > 1)} that must be put right before "
            "training on it."
        )
