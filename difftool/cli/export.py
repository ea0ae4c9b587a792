"""``difftool export``."""

from __future__ import annotations

from pathlib import Path

import click

from ..config import flag_layer
from ..workflows.export import export as write
from ..workflows.words import parse_adapters
from .console import out
from .flags import registry


@click.command()
@click.argument("model", metavar="RUN|MODEL", default="latest")
@click.option(
    "--to", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The new file."
)
@click.option(
    "--format",
    "use",
    metavar="NAME",
    default="",
    help="What to write; difftool list exporters shows them. [default: as FILE ends]",
)
@click.option(
    "--ema",
    metavar="X",
    type=float,
    help="Relative width of the average of the weights, made now from the run's snapshots.",
)
@click.option(
    "--adapter",
    "adapters",
    multiple=True,
    metavar="FILE[:WEIGHT]",
    help="What difftool finetune added, to merge into the weights; several add up.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="exporter.KEY=VALUE",
    help="A setting of the exporter; may be repeated.",
)
@click.pass_context
def export(
    ctx: click.Context,
    model: str,
    to: Path,
    use: str,
    ema: float | None,
    adapters: tuple[str, ...],
    sets: tuple[str, ...],
) -> None:
    """Write a trained model to a file: difftool's own model file with another average, or what a
    plugin can write.
    """
    write(model, to, registry(ctx), use, ema, flag_layer(sets=sets), parse_adapters(adapters))
    out(str(to))
