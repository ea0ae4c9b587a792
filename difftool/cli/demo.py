"""``difftool demo``: train and sample in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..config import gather, resolve
from ..engine.folder import new_run_path
from ..errors import PluginError
from ..workflows.naming import refuse_used
from ..workflows.request import Request
from ..workflows.sample import sample_model
from ..workflows.train import run_training
from .console import out, out_json, say
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal

if TYPE_CHECKING:
    from ..plugin.registry import Registry

RECIPE = "demo"


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
    recipe = RECIPE if f"{name}/{RECIPE}" in parts.names("recipe") else None
    config = resolve(
        name,
        gather(
            parts,
            name,
            recipe,
            (),
            [("--steps", "train.steps", steps)] if steps else (),
            project=None,
        ),
        parts,
    )
    refuse_used(run)
    terminate_at_once()
    result = run_training(
        config, parts, run or new_run_path("demo"), Terminal(), or_next=run is None
    )
    made = sample_model(Path(result["model"]), parts, Request(n=n, every_label=True), Terminal())
    if as_json:
        out_json({**result, **made})
        return
    say(
        f"The model is {result['model']}; {n} samples are in {made['folder']}. All of them on one "
        "sheet:"
    )
    out(made["sheet"])
    say(f"Now with your own files: difftool train -m {name} FOLDER")


def shortest(parts: Registry) -> str:
    """The modality whose demo recipe takes the fewest steps; any where none has one."""
    names = parts.names("modality")
    if not names:
        raise PluginError(
            "No modality is installed, so there is nothing to train on. Install a plugin, such as "
            "those in plugins/."
        )
    able = [name for name in names if f"{name}/{RECIPE}" in parts.names("recipe")]
    steps = {
        name: resolve(name, gather(parts, name, RECIPE, project=None), parts).train.steps
        for name in able
    }
    return min(able, key=steps.__getitem__, default=names[0])
