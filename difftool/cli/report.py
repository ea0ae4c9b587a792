"""``difftool report``: the page about a run."""

from __future__ import annotations

import click

from ..engine.folder import RunFolder, find_run
from .console import out
from .flags import registry


@click.command(short_help="Write the page about a RUN, and show it.")
@click.argument("run", default="latest")
@click.option("--open", "show", is_flag=True, help="Show the page in a browser.")
@click.pass_context
def report(ctx: click.Context, run: str, show: bool) -> None:
    """Write the page about a RUN from what is in its folder now: the verdict, curves, samples.

    It is one file that needs no network. ``difftool evaluate`` adds the samples and their metrics.
    """
    from ..report import write_report  # jinja2, matplotlib
    from ..workflows.ledger import keep_ledger
    from ..workflows.resume import run_config

    folder, parts = RunFolder.open(find_run(run)), registry(ctx)
    keep_ledger(folder, run_config(folder, parts), parts)
    path = write_report(folder)
    out(str(path))
    if show:
        click.launch(path.absolute().as_uri())
