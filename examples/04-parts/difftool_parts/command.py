"""``difftool age``: how long a run has trained."""

import json
from pathlib import Path

import click


@click.command()
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
def age(run):
    """Print the number of training steps of RUN and its last loss."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    last = json.loads(lines[-1]) if lines else {"step": 0}
    click.echo(f"{run}: step {last['step']}, loss {last.get('loss', 'not measured')}")
