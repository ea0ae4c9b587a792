"""``difftool doctor``: what is wrong with data or with a run, the most important first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..workflows.announce import announce_project
from ..workflows.doctor import MOST, SAMPLES, diagnosed
from .console import out, out_json, out_level, out_table, say
from .flags import Flag, Sectioned, given, registry
from .signals import terminate_at_once
from .terminal import Terminal
from .train import named_modality, own_flags


class Doctor(Sectioned):
    """The modality's flags, if it is named."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts = registry(ctx)
        taken = {name.lstrip("-") for param in self.params for name in param.opts}
        return own_flags(
            parts, named_modality(args, parts), None, taken, "--help" in args or "-h" in args
        )


@click.command(cls=Doctor, short_help="Say what is wrong with a RUN or with DATA, and why.")
@click.argument("target", default="latest", metavar="[RUN|DATA|latest]")
@click.option("-m", "--modality", metavar="NAME", help="The kind of data; TARGET is then data.")
@click.option(
    "--samples",
    default=SAMPLES,
    metavar="N",
    show_default=True,
    type=click.IntRange(0),
    help="Number of samples to draw from the model of a run; 0 for none.",
)
@click.option(
    "--data",
    "most",
    default=MOST,
    metavar="N",
    show_default=True,
    type=click.IntRange(2),
    help="Maximum number of examples of the data to look at.",
)
@click.option(
    "--against",
    metavar="DATA",
    type=click.Path(path_type=Path),
    help="Examples that the run was not trained on. [default: those that train held out]",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …")
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
@click.pass_context
def doctor(
    ctx: click.Context,
    target: str,
    modality: str | None,
    samples: int,
    most: int,
    against: Path | None,
    device: str,
    sets: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what is wrong with a run, or with data if -m names their kind: each fault with its
    evidence, the likely cause and the command to try, and everything that could not be checked.
    """
    if modality:
        announce_project(Terminal())
    terminate_at_once()
    found = diagnosed(
        target,
        modality,
        given(ctx),
        sets,
        registry(ctx),
        Terminal(),
        samples,
        most,
        against,
        device,
    )
    if as_json:
        out_json(found)
    else:
        _tell(found)


def _tell(found: dict[str, Any]) -> None:
    say(f"measured: {'; '.join(found['measured'])}")
    for one in found["findings"]:
        out_level(f"{one['level']}:", f"{one['kind']}: {one['fact']} {one['fix']}".strip())
        if one["command"]:
            out(f"          {one['command']}")
    if not found["findings"]:
        out_level("ok:", f"None of {len(found['checked'])} checks found a fault:")
        out_table([(one["check"], one["looks_for"]) for one in found["checked"]], indent=10)
    if found["missing"]:
        out("Not checked, so nothing is known of:")
        out_table(
            [(one["check"], one["looks_for"], one["reason"]) for one in found["missing"]], indent=2
        )
