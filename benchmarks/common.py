"""What the benchmarks share: sides measured in turn, each in a process of its own, on one thread and by the CPU clock."""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

Work = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared.

    Attributes:
        make: ``(*args) -> (work, facts)``: builds the side inside its own process, so an importable function; ``work`` is what is timed,
            ``facts`` go into the report.
        before: called first, for imports whose memory is not the side's.
    """

    name: str
    make: Callable[..., tuple[Work, dict[str, Any]]]
    args: Sequence[Any] = ()
    before: Callable[[], object] | None = None


@dataclass(slots=True)
class Result:
    """Seconds of CPU time per piece of work, one entry per round, and what the side said of itself."""

    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    peak_mb: float = 0.0
    own_mb: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def in_turn(sides: Iterable[Side], rounds: int, repeats: int = 1, warm: int = 2) -> dict[str, Result]:
    """Every side does ``repeats`` pieces of work, then the next side, for ``rounds`` rounds: a slow minute hits all of them alike."""
    os.environ["OMP_NUM_THREADS"] = "1"
    context = get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    results: dict[str, Result] = {}
    try:
        for side in sides:
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(theirs, side, warm), daemon=True)
            worker.start()
            theirs.close()  # so that a side that fails ends this process too, rather than letting it wait
            workers[side.name] = worker, ours
            results[side.name] = Result(facts=ours.recv())
        for _ in range(rounds):
            for name, (_, pipe) in workers.items():
                pipe.send(repeats)
                results[name].seconds.append(pipe.recv() / repeats)
        for name, (_, pipe) in workers.items():
            pipe.send(0)
            results[name].peak_mb, results[name].own_mb = pipe.recv()
    finally:
        for worker, _ in workers.values():
            worker.terminate()
    return results


def _serve(pipe: Connection, side: Side, warm: int) -> None:
    import torch

    torch.set_num_threads(1)
    if side.before:
        side.before()
    imported = resident_mb()
    work, facts = side.make(*side.args)
    for _ in range(warm):
        work()
    pipe.send(facts)
    while repeats := pipe.recv():
        start = time.process_time()
        for _ in range(repeats):
            work()
        pipe.send(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send((peak, peak - imported))


def resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def emit(report: dict[str, Any]) -> None:
    """The report on stdout, and nothing else there."""
    json.dump(report, sys.stdout, indent=2)
    print()
