"""``difftool demo``: train and sample in a few minutes."""

from __future__ import annotations

from pathlib import Path

import click

from ..workflows.demo import demo_config, run_demo, shortest
from ..workflows.naming import refuse_used
from .console import out, out_json, say
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal


@click.command()
@click.option(
    "-m",
    "--modality",
    metavar="NAME",
    help="The kind of data. [default: that of the shortest demo]",
)
@click.option(
    "--steps",
    metavar="N",
    type=click.IntRange(1),
    help="Training steps; fewer are faster and worse.",
)
@click.option(
    "--run",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the run. [default: a new one in runs/]",
)
@click.option(
    "-n",
    metavar="N",
    default=64,
    show_default=True,
    type=click.IntRange(1),
    help="Samples to make.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def demo(
    ctx: click.Context,
    modality: str | None,
    steps: int | None,
    run: Path | None,
    n: int,
    as_json: bool,
) -> None:
    """Train on the built-in demo set, sample from the model, and say where to look."""
    parts = registry(ctx)
    name = modality or shortest(parts)
    config = demo_config(name, steps, parts)
    refuse_used(run)
    terminate_at_once()
    made = run_demo(config, run, n, parts, Terminal())
    if as_json:
        out_json(made)
        return
    say(
        f"The model is {made['model']}; {n} samples are in {made['folder']}. All of them on one "
        "sheet:"
    )
    out(made["sheet"])
    say(f"Now with your own files: difftool train -m {name} FOLDER")
