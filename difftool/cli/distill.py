"""``difftool distill``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..workflows.distill import DEFAULT, Distillation
from ..workflows.naming import refuse_used
from ..workflows.train import fill_cache, run_training
from .devices import launched, over_devices
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal
from .train import tell


@click.command()
@click.argument("teacher", metavar="RUN")
@click.option(
    "--method",
    metavar="NAME",
    default=DEFAULT,
    show_default=True,
    help="An objective that distills; difftool list objectives shows what each does.",
)
@click.option(
    "--evaluations",
    metavar="N",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Steps of the student's sampler, each one evaluation of the network.",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1),
    help="Steps of training. [default: a fifth of the run's]",
)
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option(
    "--run",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the student. [default: RUN-distilled]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@over_devices
@click.pass_context
def distill(
    ctx: click.Context,
    teacher: str,
    method: str,
    evaluations: int,
    steps: int | None,
    sets: tuple[str, ...],
    run: Path | None,
    as_json: bool,
    **processes: Any,
) -> None:
    """Train a student of RUN (a path, a name in runs/, or latest) that samples in a few
    evaluations.

    It starts as RUN, sees the same data, and is an ordinary run: resume, sample and evaluate it.
    """
    parts = registry(ctx)
    asked = Distillation(teacher, method, evaluations, steps, sets=sets)
    config = asked.config(parts)
    refuse_used(run)
    named, run = run is not None, run or asked.run()
    if launched(
        **processes,
        words=[] if named else ["--run", str(run)],
        before=lambda: fill_cache(config, parts, Terminal()),
        run=run,
    ):
        return
    terminate_at_once()
    tell(run_training(config, parts, run, Terminal(), or_next=not named), as_json)
