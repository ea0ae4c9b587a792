"""The options of commands that train on several devices."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from .terminal import Terminal

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
    line: Sequence[str] = (),
) -> bool:
    """Run ``line``, or else this command line, with ``words`` at its end, as ``over_processes``
    does.
    """
    from ..workflows.processes import Devices, over_processes  # help does not wait for it

    where = Devices(devices, nodes, node_rank, rendezvous)
    return over_processes(where, [*(line or sys.argv[1:]), *words], Terminal(), before, run)
