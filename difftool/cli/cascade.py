"""``difftool cascade``: work with a cascade that was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..workflows.reference import Reference
from ..workflows.request import Request
from ..workflows.text import command
from ..workflows.tune import LEVELS, tunable_cascade, tune_cascade
from .console import out_json, out_table, say
from .flags import registry
from .sampling_flags import count_option, on_device, seed_option
from .signals import terminate_at_once
from .terminal import Terminal

LEGEND = """psnr_db: agreement of samples with their inputs, after degrading the samples again
distance: from the samples of the cascade to the data; +- is the error of its difference from the least
degraded: the same for samples that refine degraded data; where it is lower, the earlier stages add the rest"""


@click.group()
def cascade() -> None:
    """Work with a cascade that was trained."""


@cascade.command(short_help="Find the noise level at which each stage refines best, and save it.")
@click.argument("word", metavar="CASCADE")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--stage", "only", metavar="NAME", help="Only this stage. [default: each that refines, in turn]"
)
@click.option(
    "--levels",
    metavar="X,…",
    help=f"Levels to try. [default: {LEVELS} levels, from 0 to the highest trained one]",
)
@count_option(64, click.IntRange(2), "Samples at each level.")
@seed_option("Seed of the samples, as in difftool sample.")
@on_device
@click.option("--dry-run", is_flag=True, help="Do not save the levels.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def tune(
    ctx: click.Context,
    word: str,
    data: Path | None,
    only: str | None,
    levels: str | None,
    n: int,
    seed: int,
    device: str,
    precision: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Try noise levels on the input of each stage of CASCADE, and save the level whose samples are
    nearest the data.

    Each stage refines the samples of the stages before it, at the levels that were found for them.
    Samples are compared with DATA, best held-out data; without it, with the training data. difftool
    sample CASCADE then uses the saved levels.
    """
    asked = _levels(levels)
    terminate_at_once()
    request = Request(n=n, seed=seed, device=device, precision=precision)
    parts = registry(ctx)
    trained = tunable_cascade(word, parts)
    against, keep = Reference(data), not dry_run
    found = tune_cascade(trained, only, asked, request, against, parts, Terminal(), keep)
    if as_json:
        out_json(found)
        return
    say(LEGEND)
    out_table(
        [row for one in found["stages"] for row in _rows(one)],
        ("stage", "level", "psnr_db", "distance", "+-", "degraded", ""),
    )
    if not dry_run:
        say(
            f"Saved in {found['cascade']}. Sample from it with: "
            f"{command('sample', found['cascade'])}"
        )


def _levels(text: str | None) -> list[float]:
    """The levels of ``--levels``, in order; none where it is not given."""
    try:
        found = sorted({float(part) for part in text.split(",")}) if text else []
    except ValueError:
        raise UsageError(
            f"--levels {text} is not a list of numbers. Separate them with commas, such as "
            "0,0.1,0.2"
        ) from None
    if any(not 0 <= level < float("inf") for level in found):
        raise UsageError(
            f"--levels {text}: a level is a noise level (sigma, in model units), and is not below "
            "0."
        )
    return found


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The rows of a stage: one for each level, and the distance of the data from itself."""
    for one in found["levels"]:
        numbers = (one["consistency"], one["distance"], one["error"], one["distance_of_degraded"])
        mark = "best" if one["level"] == found["level"] else ""
        yield (
            found["stage"],
            f"{one['level']:g}",
            *map(_number, numbers),
            mark,
        )
    yield (found["stage"], "data", "-", _number(found["distance_of_data"]), "-", "-", "")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
