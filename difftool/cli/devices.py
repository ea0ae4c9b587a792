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
        help="Machines; start the same line on each.",
    ),
    click.option(
        "--node-rank",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        help="Which of the machines this is.",
    ),
    click.option(
        "--rendezvous",
        metavar="HOST:PORT",
        default="",
        help="The first machine, where the others meet it.",
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
    """Run this command line, with ``words`` at its end, once per device; False when this process is to do the work itself.

    Args:
        before: what all processes need and one had better do first, such as filling the cache.
    """
    if devices * nodes == 1:
        return False
    from ..engine.distributed import is_worker, launch

    if is_worker():
        return False
    before()
    logging.disable(
        logging.CRITICAL
    )  # this process only waits; the one that failed says why in words
    launch(
        devices, [*sys.argv[1:], *words], nodes=nodes, node_rank=node_rank, rendezvous=rendezvous
    )
    return True
