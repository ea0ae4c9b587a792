"""``difftool cascade``: work with a cascade that was trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..workflows.reference import Against
from ..workflows.request import Request
from ..workflows.text import command
from ..workflows.tune import LEVELS, tune_cascade
from .console import out, out_json, say, table
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal

LEGEND = """psnr_db: how well samples, degraded again, agree with what they refine
distance: of the chain's samples from the data; +- is of its difference from the least
degraded: distance of samples that refine degraded data; what that is below the chain's, the earlier stages cost"""


@click.group()
def cascade() -> None:
    """Work with a cascade that was trained."""


@cascade.command(short_help="Find the level of noise at which each stage refines best, and keep it.")
@click.argument("word", metavar="CASCADE")
@click.argument("data", metavar="[DATA]", required=False, type=click.Path(path_type=Path))
@click.option("--stage", "only", metavar="NAME", help="Only this stage. [default: each that refines, in turn]")
@click.option("--levels", metavar="X,…", help=f"Levels to try. [default: {LEVELS}, from 0 to the highest it was trained with]")
@click.option("-n", default=64, metavar="N", show_default=True, type=click.IntRange(2), help="Samples at each level.")
@click.option("--seed", default=0, metavar="N", show_default=True, type=click.IntRange(0), help="Names the samples, as in difftool sample.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …")
@click.option(
    "--precision", default="auto", show_default=True, type=click.Choice(["auto", "fp32", "bf16", "fp16"]), help="What is computed in."
)
@click.option("--dry-run", is_flag=True, help="Change nothing in the cascade.")
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
    """Try levels of noise on what each stage of CASCADE is shown, and keep the one whose samples are nearest the data.

    Each stage refines what the stages before it make, at the levels that were found for them. DATA is best such as none of them was trained
    on; without it, each stage's own training data is compared with. difftool sample CASCADE then uses what was found.
    """
    asked = _levels(levels)
    terminate_at_once()
    request = Request(n=n, seed=seed, device=device, precision=precision)
    found = tune_cascade(word, only, asked, request, Against(data), registry(ctx), Terminal(), keep=not dry_run)
    if as_json:
        out_json(found)
        return
    say(LEGEND)
    out(table([row for one in found["stages"] for row in _rows(one)], ("stage", "level", "psnr_db", "distance", "+-", "degraded", "")))
    if not dry_run:
        say(f"Kept in {found['cascade']}. Sample from it with: {command('sample', found['cascade'])}")


def _levels(text: str | None) -> list[float]:
    """The levels that are asked for, in order; none where it is left open."""
    try:
        found = sorted({float(part) for part in text.split(",")}) if text else []
    except ValueError:
        raise UsageError(f"--levels {text}: is no list of numbers with commas between them, such as 0,0.1,0.2") from None
    if any(not 0 <= level < float("inf") for level in found):
        raise UsageError(f"--levels {text}: a level is noise, as sigma in model units, from 0 on.")
    return found


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The lines of a stage: its levels, of which one is the best, and how far the data is from itself."""
    for one in found["levels"]:
        numbers = (one["consistency"], one["distance"], one["error"], one["distance_of_degraded"])
        told = "best" if one["level"] == found["level"] else ""
        yield (found["stage"], f"{one['level']:g}", *("-" if value is None else f"{value:.4g}" for value in numbers), told)
    yield (found["stage"], "data", "-", f"{found['distance_of_data']:.4g}", "-", "-", "")
