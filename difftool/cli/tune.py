"""``difftool tune``: find how a trained model is best sampled."""

from __future__ import annotations

from pathlib import Path

import click

from ..figures import with_error
from ..workflows.request import Request
from ..workflows.text import command
from ..workflows.tune_guidance import tune_guidance
from ..workflows.tune_sampler import tune_sampler
from ..workflows.tune_schedule import tune_schedule
from .console import out, out_json, out_table, say
from .flags import registry
from .sampling_flags import count_option, on_device, seed_option
from .signals import terminate_at_once
from .terminal import Terminal

GOES_ON = "What was measured is kept in tune.jsonl: the same command goes on from there."


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
    metavar="X",
    type=click.FloatRange(0),
    help="Last noise level before 0, in model units; 0 is the lowest level of the model. [default: "
    "that below which training draws a hundredth of its levels]",
)
@click.option(
    "--sampler",
    metavar="NAME",
    help="Sampler that will visit the levels. [default: the model's]",
)
@click.option(
    "--nats",
    is_flag=True,
    help="Minimise the bound of the divergence in nats, most of which are in fine details.",
)
@count_option(64, click.IntRange(1), "Examples of the data.")
@seed_option("Seed of the noise.")
@on_device
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def schedule(
    ctx: click.Context,
    word: str,
    data: Path | None,
    steps: int,
    lowest: float | None,
    sampler: str | None,
    nats: bool,
    n: int,
    seed: int,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Find the noise levels at which a sampler of few steps strays least from the diffusion of the
    model in RUN (Sabour et al. 2024, "Align Your Steps").

    They depend on the model, its data and the sampler: the examples are those of DATA, or of the
    training data. The settings that are printed make difftool sample visit the levels.
    """
    terminate_at_once()
    chosen = ("--sampler", sampler) if sampler else ()
    sets = (f"sampler.use={sampler}",) if sampler else ()
    request = Request(n=n, seed=seed, device=device, precision=precision, sets=sets)
    found = tune_schedule(word, steps, lowest, nats, request, data, registry(ctx), Terminal())
    if as_json:
        out_json(found)
        return
    say(
        f"{'bound of the divergence' if nats else 'errors of the estimates'}: {found['cost']:.4g}, and "
        f"{found['usual']:.4g} for the model's own schedule, both for {steps} steps of "
        f"{found['sampler']}. Compare the samples of both with difftool evaluate."
    )
    levels = ",".join(f"{level:g}" for level in found["levels"])
    settings = ["--set", "schedule.use=ays", "--set", f"schedule.levels=[{levels}]"]
    out(command("sample", word, "--steps", str(steps), *chosen, *settings))


def _numbers(ctx: click.Context, param: click.Parameter, value: str) -> list[int]:
    try:
        numbers = [int(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 2:
        raise click.BadParameter("give whole numbers of at least 2, such as 8,16,32")
    return list(dict.fromkeys(numbers))


@tune.command(short_help="Find the sampler, schedule, guidance and average for few evaluations.")
@click.argument("word", metavar="RUN")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--evaluations",
    default="8,16,32",
    metavar="N,…",
    show_default=True,
    callback=_numbers,
    help="Evaluations of the network for a sample.",
)
@count_option(256, click.IntRange(32), "Samples with which the last candidates are compared.")
@seed_option("Seed of the samples.")
@click.option("--dry", is_flag=True, help="Change nothing in the model.")
@on_device
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def sampler(
    ctx: click.Context,
    word: str,
    data: Path | None,
    evaluations: list[int],
    n: int,
    seed: int,
    dry: bool,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Find the settings whose samples are nearest to the data at a number of evaluations of the
    network, and store them in the model of RUN: difftool sample --steps N uses them.

    Candidates are compared by the Fréchet distance in the features of a judge, to DATA or to the
    training data; the worse ones are dropped after a few samples. A search that was stopped goes on
    where it was.
    """
    terminate_at_once(GOES_ON)
    request = Request(n=n, seed=seed, device=device, precision=precision)
    found = tune_sampler(word, evaluations, request, data, registry(ctx), Terminal(), keep=not dry)
    if as_json:
        out_json(found)
        return
    rows = [
        (
            str(one["evaluations"]),
            with_error(one["own_distance"], one["own_error"]),
            with_error(one["distance"], one["error"]),
            " ".join([*one["sets"], *([f"ema={one['ema']:g}"] if one["ema"] else [])]) or "its own",
        )
        for one in found["found"]
    ]
    out_table(rows, ("evaluations", "own settings", "tuned", "settings"))
    if not dry:
        say("The model holds these settings: difftool sample --steps N uses those for N.")
    out(found["figure"])


@tune.command(short_help="Find the autoguidance that suits the model, also without labels.")
@click.argument("word", metavar="RUN")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--worse",
    multiple=True,
    metavar="RUN|MODEL",
    help="A worse model to guide away from; may be repeated. [default: the run's snapshots]",
)
@click.option(
    "--steps",
    default=16,
    metavar="N",
    show_default=True,
    type=click.IntRange(2),
    help="Steps of the sampler.",
)
@count_option(256, click.IntRange(32), "Samples with which the last candidates are compared.")
@seed_option("Seed of the samples.")
@on_device
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def guidance(
    ctx: click.Context,
    word: str,
    data: Path | None,
    worse: tuple[str, ...],
    steps: int,
    n: int,
    seed: int,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Find the worse version of the model in RUN, the scale and the interval of noise levels with
    which autoguidance brings samples nearest to the data (Karras et al. 2024).

    It prints the command that samples with them. A search that was stopped goes on where it was.
    """
    terminate_at_once(GOES_ON)
    request = Request(n=n, seed=seed, device=device, precision=precision)
    found = tune_guidance(word, steps, worse, request, data, registry(ctx), Terminal())
    if as_json:
        out_json(found)
        return
    say(
        f"distance to the data: {with_error(found['distance'], found['error'])}, and "
        f"{with_error(found['own_distance'], found['own_error'])} without this guidance, of "
        f"{found['candidates']} candidates."
    )
    if not found["sets"]:
        say("No guidance is better than none. A worse model that is more alike may help: --worse.")
    words = [word for one in found["sets"] for word in ("--set", one)]
    out(command("sample", word, "--steps", str(steps), *words))
