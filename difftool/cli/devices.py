"""The options of commands that train on several devices, and the start of one process for each."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

import click

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
) -> bool:
    """Run this command line, with ``words`` at its end, once per device; False when this process is
    to do the work itself.

    Args:
        before: work that one process does before the others start, such as filling the cache.
    """
    if devices * nodes == 1:
        return False
    from ..engine.distributed import is_worker, launch

    if is_worker():
        return False
    before()
    logging.disable(
        logging.CRITICAL
    )  # this process only waits; the process that failed prints the reason
    launch(
        devices, [*sys.argv[1:], *words], nodes=nodes, node_rank=node_rank, rendezvous=rendezvous
    )
    return True
