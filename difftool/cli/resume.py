"""``difftool resume``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..engine.folder import RunFolder, find_run, is_cascade
from ..errors import UsageError
from ..workflows.cascade import Cascade
from ..workflows.resume import resume_run
from ..workflows.train_cascade import CascadeTraining
from .devices import launched, over_devices
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal
from .train import tell, train_stages


@click.command()
@click.argument("run", default="latest")
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1),
    help="Train to this step instead of the run's own last one; the decay of the learning rate is "
    "adapted.",
)
@click.option("--stage", metavar="NAME", help="Resume only this stage of a cascade.")
@click.option(
    "--data",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Where the data is now, if it has moved since the run began.",
)
@click.option("--device", help="Use another device.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@over_devices
@click.pass_context
def resume(
    ctx: click.Context,
    run: str,
    steps: int | None,
    stage: str | None,
    data: Path | None,
    device: str | None,
    as_json: bool,
    **processes: Any,
) -> None:
    """Resume RUN (a path, a name in runs/, or latest) from its newest checkpoint, as if it had
    never stopped.

    For a cascade, resume its stages in turn, and train those that have not begun.
    """
    path, parts = find_run(run), registry(ctx)
    if is_cascade(path):
        launch = lambda words: launched(**processes, words=words)  # noqa: E731
        cascade = Cascade.open(path, parts)
        training = CascadeTraining(
            cascade, stage, steps=steps, device=device, data=data, launch=launch
        )
        train_stages(training, parts, as_json)
        return
    if stage is not None:
        raise UsageError(
            f"--stage names a stage of a cascade, but {path} is a single run. Remove --stage."
        )
    folder = RunFolder.open(path)
    if launched(**processes, run=path):
        return
    terminate_at_once()
    tell(resume_run(folder, parts, Terminal(), steps, device, data), as_json)
