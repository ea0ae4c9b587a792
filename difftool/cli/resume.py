"""``difftool resume``."""

from __future__ import annotations

from typing import Any

import click

from ..engine.folder import RunFolder, find_run, is_cascade
from ..errors import UsageError
from ..workflows.cascade import kept_stages
from ..workflows.resume import resume_run
from ..workflows.train_cascade import Work
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
    help="Train to this step, not the run's own last one; a rate that decays is planned anew.",
)
@click.option("--stage", metavar="NAME", help="Of a cascade, only this stage.")
@click.option("--device", help="Another device than the run's own.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@over_devices
@click.pass_context
def resume(ctx: click.Context, run: str, steps: int | None, stage: str | None, device: str | None, as_json: bool, **processes: Any) -> None:
    """Go on with RUN (a path, a name in runs/, or latest) from its newest checkpoint, as if it had never stopped.

    Of a cascade, the stages are gone on with in turn, and those that have not begun are trained.
    """
    path, parts = find_run(run), registry(ctx)
    if is_cascade(path):
        launch = lambda words: launched(**processes, words=words)  # noqa: E731
        train_stages(Work(path, kept_stages(path, parts), stage, steps=steps, device=device, launch=launch), parts, as_json)
        return
    if stage is not None:
        raise UsageError(f"--stage names a stage of a cascade, and {path} is one run: leave it out.")
    folder = RunFolder.open(path)
    if launched(**processes):
        return
    terminate_at_once()
    tell(resume_run(folder, parts, Terminal(), steps, device), as_json)
