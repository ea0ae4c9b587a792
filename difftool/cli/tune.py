"""``difftool tune``: find how a trained model is best sampled."""

from __future__ import annotations

from pathlib import Path

import click

from ..workflows.request import Request
from ..workflows.text import command
from ..workflows.tune_schedule import tune_schedule
from .console import out, out_json, say
from .flags import registry
from .sampling_flags import on_device
from .signals import terminate_at_once
from .terminal import Terminal


@click.group()
def tune() -> None:
    """Find how a trained model is best sampled."""


@tune.command(short_help="Find the noise levels that suit the model at a number of steps.")
@click.argument("word", metavar="RUN")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--steps",
    default=10,
    metavar="N",
    show_default=True,
    type=click.IntRange(2),
    help="Steps of the sampler.",
)
@click.option(
    "--lowest",
    default=0.03,
    metavar="X",
    show_default=True,
    type=click.FloatRange(0),
    help="Last noise level before 0, in model units; 0 is the lowest level of the model.",
)
@click.option(
    "-n",
    default=64,
    metavar="N",
    show_default=True,
    type=click.IntRange(1),
    help="Examples of the data.",
)
@click.option(
    "--seed",
    default=0,
    metavar="N",
    show_default=True,
    type=click.IntRange(0),
    help="Seed of the noise.",
)
@on_device
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def schedule(
    ctx: click.Context,
    word: str,
    data: Path | None,
    steps: int,
    lowest: float,
    n: int,
    seed: int,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Find the noise levels at which a sampler of few steps strays least from the diffusion of the
    model in RUN (Sabour et al. 2024, "Align Your Steps").

    They depend on the model and its data: the examples are those of DATA, or of the training data.
    The settings that are printed make difftool sample visit the levels.
    """
    terminate_at_once()
    request = Request(n=n, seed=seed, device=device, precision=precision)
    found = tune_schedule(word, steps, lowest, request, data, registry(ctx), Terminal())
    if as_json:
        out_json(found)
        return
    say(
        f"bound of the divergence: {found['bound']:.4g}, and {found['usual']:.4g} for the model's own "
        f"schedule, both for {steps} steps. It counts details as much as shapes: compare the "
        "samples of both with difftool evaluate."
    )
    levels = ",".join(f"{level:g}" for level in found["levels"])
    settings = ["--set", "schedule.use=ays", "--set", f"schedule.levels=[{levels}]"]
    out(command("sample", word, "--steps", str(steps), *settings))
