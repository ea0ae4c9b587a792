"""The options of commands that train on several devices, and the start of one process for each."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from .console import say

_OPTIONS = (
    click.option(
        "--devices",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Devices of this machine to train on.",
    ),
    click.option(
        "--nodes",
        metavar="N",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Number of machines; start the same command on each.",
    ),
    click.option(
        "--node-rank",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        help="Number of this machine, from 0.",
    ),
    click.option(
        "--rendezvous",
        metavar="HOST:PORT",
        default="",
        help="Address of the first machine, to which the others connect.",
    ),
)


def over_devices(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that ``launched`` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def launched(
    devices: int,
    nodes: int,
    node_rank: int,
    rendezvous: str,
    words: Sequence[str] = (),
    before: Callable[[], object] = lambda: None,
    run: Path | None = None,
) -> bool:
    """Run this command line, with ``words`` at its end, once per device; False when this process is
    to do the work itself.

    Args:
        before: work that one process does before the others start, such as filling the cache.
        run: the folder of the run. If a process is killed, the run goes on from its newest
            checkpoint, as often as there is a newer one; on several machines it does not.
    """
    if devices * nodes == 1:
        return False
    from ..engine.distributed import WorkerKilled, is_worker, launch

    if is_worker():
        return False
    before()
    logging.disable(
        logging.CRITICAL
    )  # this process only waits; the process that failed prints the reason
    line, reached = [*sys.argv[1:], *words], -1
    while True:
        try:
            launch(devices, line, nodes=nodes, node_rank=node_rank, rendezvous=rendezvous)
            return True
        except WorkerKilled as killed:
            saved = _saved(run) if nodes == 1 else -1
            if run is None or saved <= reached:
                raise
            reached = saved
            say(
                f"{str(killed).partition('. ')[0]}. The run goes on from step {saved}, its last "
                "checkpoint."
            )
            line = ["resume", str(run), "--devices", str(devices)]
            line += ["--json"] if "--json" in sys.argv else []


def _saved(run: Path | None) -> int:
    """The step of a run's newest checkpoint; -1 where there is none."""
    from ..engine.folder import RunFolder

    newest = RunFolder(run).latest_checkpoint() if run and run.is_dir() else None
    return -1 if newest is None else int(newest.stem)
