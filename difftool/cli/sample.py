"""``difftool sample``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..workflows.chain import chain_of
from ..workflows.request import Request
from ..workflows.sample import sample_chain
from ..workflows.sample_plan import sampling_lines, sampling_plan
from ..workflows.words import peeked_modality
from .console import out, out_json, out_table, say
from .flags import Flag, Sectioned, registry
from .sampling_flags import flags_for_sampling, request_of, sampling_options
from .signals import terminate_at_once
from .terminal import Terminal

EPILOG = (
    "To see the flags of a modality, name a model of it: difftool sample RUN --help. Without RUN, "
    "the latest run counts."
)


class Sample(Sectioned):
    """Flags of the modality that the model is of."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        return flags_for_sampling(
            ctx,
            peeked_modality(args),
            {flag.lstrip("-") for param in self.params for flag in param.opts},
        )


@click.command(cls=Sample, epilog=EPILOG)
@sampling_options(Request.n, several=True)
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write to. [default: a new one in samples/ beside the model]",
)
@click.option(
    "--from",
    "files",
    metavar="FILE|DIR",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Refine these files, whole and at their own size, instead of an earlier stage's samples; "
    "may be repeated.",
)
@click.option(
    "--as-trained",
    is_flag=True,
    help="Cut or resize the files to the size of training examples.",
)
@click.option(
    "--stage",
    "entry",
    metavar="NAME",
    help="The stage that refines them. [default: the first that refines anything]",
)
@click.option("--until", metavar="STAGE", help="Sample no further than this stage.")
@click.option(
    "--level",
    metavar="X",
    type=click.FloatRange(0),
    help="Noise level on the input, in model units; hides its faults.",
)
@click.option(
    "--save-all",
    is_flag=True,
    help="Write the samples of every stage, each into its own folder.",
)
@click.option(
    "--dry-run", is_flag=True, help="Say what sampling takes, by a few samples; write nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def sample(
    ctx: click.Context,
    models: tuple[str, ...],
    folder: Path | None,
    files: tuple[Path, ...],
    as_trained: bool,
    entry: str | None,
    until: str | None,
    level: float | None,
    save_all: bool,
    dry_run: bool,
    as_json: bool,
    **sampling: Any,
) -> None:
    """Draw samples from a trained model: a run, or a model file. Paths are printed on stdout.

    In a cascade, or with several models, each model refines the samples of the one before it.
    """
    request, parts = request_of(ctx, **sampling), registry(ctx)
    counted_out = ctx.get_parameter_source("n") is not click.core.ParameterSource.DEFAULT
    terminate_at_once()
    request = replace(
        request,
        words=models,
        until=until,
        files=files,
        entry=entry,
        level=level,
        counted=counted_out,
        as_trained=as_trained,
    )
    chain = chain_of(request, parts, Terminal())
    if dry_run:
        _print_plan(sampling_plan(chain, parts), as_json)
        return
    made = sample_chain(chain, parts, Terminal(), folder, None if as_json else out, save_all)
    if as_json:
        out_json(made)
    else:
        count = made.get("evaluations", 0)
        each = f", with {count} evaluations each" * (count > chain.stages[-1].config.sample.steps)
        say(
            f"{chain.n} sample{'s' * (chain.n > 1)} in {made['folder']}{each}, together on "
            f"{made['sheet']}"
        )


def _print_plan(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        out_json(rows)
        return
    for row in rows:
        if len(rows) > 1:
            out(f"{row['stage']}:")
        out_table(sampling_lines(row))
