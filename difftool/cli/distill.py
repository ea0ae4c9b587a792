"""``difftool distill``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..engine.folder import find_run, is_cascade
from ..errors import UsageError
from ..workflows.distill import DEFAULT, Distillation, cascade_of_students, within
from ..workflows.naming import refuse_used
from ..workflows.text import seconds_of
from ..workflows.train import fill_cache, run_training
from .devices import launched, over_devices
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal
from .train import tell, train_stages


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
    "--budget",
    metavar="TIME",
    help="Train for this long, such as 90s, 10m or 1h30m, in place of --steps.",
)
@click.option(
    "--hold",
    is_flag=True,
    help="Keep a copy of the teacher in the student's checkpoints, so that its file may go.",
)
@click.option(
    "--rank",
    metavar="N",
    type=click.IntRange(1),
    help="Learn changes of this rank (LoRA) beside the teacher's weights, which stay; a small file "
    "beside the model holds them. [default: learn all weights]",
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
    budget: str | None,
    hold: bool,
    rank: int | None,
    sets: tuple[str, ...],
    run: Path | None,
    as_json: bool,
    **processes: Any,
) -> None:
    """Train a student of RUN (a path, a name in runs/, or latest) that samples in a few
    evaluations.

    It starts as RUN, sees the same data, and is an ordinary run: resume, sample and evaluate it. Of
    a cascade, each stage gets a student, and the students are a cascade.
    """
    parts = registry(ctx)
    if budget and steps:
        raise UsageError(
            "--budget and --steps both say how long to train. Give one of them: the budget is "
            "turned into steps."
        )
    asked = Distillation(teacher, method, evaluations, steps, hold, rank or 0, sets=sets)
    seconds = seconds_of(budget) if budget else None
    if is_cascade(find_run(teacher)):
        students = cascade_of_students(asked, parts, run, seconds, Terminal())
        root = str(students.cascade.root)

        def launch(stage: Sequence[str]) -> bool:
            # the folder says by then what each stage is, so that each process resumes its stage
            return launched(**processes, line=("resume", root, *stage))

        train_stages(replace(students, launch=launch), parts, as_json)
        return
    folder = asked.folder()
    config = asked.config_of(folder, parts)
    refuse_used(run)
    if seconds:
        config = within(asked, folder, seconds, parts, Terminal())
    named, run = run is not None, run or asked.run()
    # each process resolves the line by itself, so that all must be told the steps that were found
    told = ["--steps", str(config.train.steps), "--budget", ""] if budget else []
    if launched(
        **processes,
        words=[*([] if named else ["--run", str(run)]), *told],
        before=lambda: fill_cache(config, parts, Terminal()),
        run=run,
    ):
        return
    terminate_at_once()
    tell(run_training(config, parts, run, Terminal(), or_next=not named), as_json)
