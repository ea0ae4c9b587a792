"""A command that trains on several devices: one process for each, started again where one is killed."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .reporter import Reporter


@dataclass(frozen=True)
class Devices:
    """The devices that a run is trained on.

    Attributes:
        each: devices of each machine.
        nodes: machines, on each of which the command is started.
        rank: the number of this machine, from 0.
        rendezvous: the address of the first machine, to which the others connect.
    """

    each: int = 1
    nodes: int = 1
    rank: int = 0
    rendezvous: str = ""


def over_processes(
    devices: Devices,
    line: Sequence[str],
    reporter: Reporter,
    before: Callable[[], object] = lambda: None,
    run: Path | None = None,
) -> bool:
    """Run a command line once per device; False when this process is to do the work itself.

    Args:
        line: the words of the command line.
        before: work that one process does before the others start, such as filling the cache.
        run: the folder of the run. If a process is killed, the run goes on from its newest
            checkpoint: as often as there is a newer one, and on several machines, which must
            share the folder, up to three times.
    """
    if devices.each * devices.nodes == 1:
        return False
    from ..engine.distributed import WorkerKilled, is_worker, launch

    if is_worker():
        return False
    before()
    logging.disable(logging.CRITICAL)  # this process only waits; the one that failed says why
    words, reached = list(line), -1
    while True:
        try:
            launch(
                devices.each,
                words,
                nodes=devices.nodes,
                node_rank=devices.rank,
                rendezvous=devices.rendezvous,
                run=run,
            )
            return True
        except WorkerKilled as killed:
            saved = _saved(run) if devices.nodes == 1 else -1
            if run is None or saved <= reached:
                raise
            reached = saved
            reporter.say(
                f"{str(killed).partition('. ')[0]}. The run goes on from step {saved}, its last "
                "checkpoint."
            )
            words = ["resume", str(run), "--devices", str(devices.each)]
            words += ["--json"] if "--json" in line else []


def _saved(run: Path | None) -> int:
    """The step of a run's newest checkpoint; -1 where there is none."""
    from ..engine.folder import RunFolder

    newest = RunFolder(run).latest_checkpoint() if run and run.is_dir() else None
    return -1 if newest is None else int(newest.stem)
