"""``difftool finetune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..workflows.finetune import METHODS, Finetuning, adapter_text
from ..workflows.naming import refuse_used
from ..workflows.train import fill_cache, run_training
from .console import say
from .devices import launched, over_devices
from .flags import registry
from .signals import terminate_at_once
from .terminal import Terminal
from .train import tell


@click.command()
@click.argument("base", metavar="RUN|MODEL")
@click.argument("data", metavar="DATA")
@click.option(
    "--method",
    type=click.Choice(list(METHODS)),
    default="lora",
    show_default=True,
    help="What is learnt: changes of low rank, all weights, or the last layer.",
)
@click.option("--steps", metavar="N", type=click.IntRange(1), help="Steps of training.")
@click.option(
    "--rank", metavar="auto|N", help="Rank of lora. [default: auto, at most 2 % of the weights]"
)
@click.option(
    "--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help="One setting; may be repeated."
)
@click.option(
    "--run",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="The folder of the new run. [default: RUN-finetuned]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@over_devices
@click.pass_context
def finetune(
    ctx: click.Context,
    base: str,
    data: str,
    method: str,
    steps: int | None,
    rank: str | None,
    sets: tuple[str, ...],
    run: Path | None,
    as_json: bool,
    **processes: Any,
) -> None:
    """Teach RUN a little more from DATA, a folder or file of a few examples: a new label, a word, a
    style.

    RUN does not change. The result is an ordinary run; its adapter.safetensors holds what was
    added, for sample RUN --adapter FILE.
    """
    parts = registry(ctx)
    flags = [("--steps", "train.steps", steps), ("--rank", "objective.rank", rank)]
    asked = Finetuning(base, data, method, [flag for flag in flags if flag[2] is not None], sets)
    config = asked.config(parts)
    refuse_used(run)
    named, run = run is not None, run or asked.run()
    if launched(
        **processes,
        words=[] if named else ["--run", str(run)],
        before=lambda: fill_cache(config, parts, Terminal()),
        run=run,
    ):
        return
    terminate_at_once()
    result = run_training(config, parts, run, Terminal(), or_next=not named)
    if result and not as_json and (text := adapter_text(Path(result["run"]))):
        say(text)
    tell(result, as_json)
