"""``difftool ema``: the averages of a run's weights, and which one samples are made from."""

from __future__ import annotations

import click

from ..workflows.averages import averages_of, keep_average
from .console import out, out_json, say


@click.command(short_help="List the averages of a run's weights, and choose the model's.")
@click.argument("run", default="latest")
@click.option(
    "--width",
    metavar="X",
    type=float,
    help="Put the average of this relative width, made from the run's snapshots, into the model.",
)
@click.option("--keep", metavar="NAME", help="Put this average of the list into the model.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
def ema(run: str, width: float | None, keep: str | None, as_json: bool) -> None:
    """List the averages of the weights of RUN. With --width or --keep, the model of the run holds
    that one from now on.

    An average of any width is made from the run's snapshots, after training (Karras et al. 2024).
    `difftool sample --ema X` tries a width once.
    """
    if width is not None and keep is not None:
        raise click.UsageError("--width and --keep each choose an average. Give one of them.")
    chosen = width is not None or keep is not None
    found = keep_average(run, width, keep) if chosen else averages_of(run)
    if as_json:
        out_json(found)
        return
    for name in dict.fromkeys([found["model"], *found["kept"]]):
        out(f"{name}  (in the model)" if name == found["model"] else name)
    if found["widths"]:
        held = " and ".join(f"{width:g}" for width in found["widths"])
        say(
            f"{len(found['snapshots'])} snapshots hold the widths {held}: --width X makes any other."
        )
    elif not chosen:
        say(
            "There are no snapshots, so no other average can be made. Train with --set "
            "ema.power=[0.05,0.1] --set ema.snapshot_every=N to choose a width afterwards."
        )
