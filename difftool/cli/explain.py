"""``difftool explain``: figures, an animation and a page of what a trained model does."""

from __future__ import annotations

from pathlib import Path

import click

from ..workflows.explain import explain as explained
from ..workflows.request import Request
from .console import out, out_json, say
from .flags import registry
from .sampling_flags import count_option, on_device, seed_option
from .signals import terminate_at_once
from .terminal import Terminal


@click.command(short_help="Draw what a trained model does: figures, an animation, one page.")
@click.argument("run", default="latest")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@count_option(8, click.IntRange(1, 64), "Examples in each row of a figure.")
@seed_option("Seed of the samples.")
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to. [default: explain in the folder of the run]",
)
@on_device
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def explain(
    ctx: click.Context,
    run: str,
    data: Path | None,
    n: int,
    seed: int,
    folder: Path | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Draw what the model of RUN does, on DATA or on its training data: the forward and the reverse
    process, its noise schedule, where training draws its levels, the loss at each level, sampling
    with and without added noise, and the learned density of examples of one or two numbers.
    """
    terminate_at_once()
    request = Request(n=n, seed=seed, device=device, precision=precision)
    found = explained(run, request, data, folder, registry(ctx), Terminal())
    if as_json:
        out_json(found)
        return
    say(f"{len(found['figures'])} figures, each a file of its own, and all of them on one page:")
    out(found["page"])
