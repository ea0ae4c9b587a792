"""What the benchmarks share: command-line arguments, sides that are measured in turn, difftool as a user drives it, and the report."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from importlib.util import find_spec
from math import prod
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Work = Callable[[], object]

EXTRA = 'pip install ".[benchmark]"'


# --- the command line ---------------------------------------------------------------------------------


def arguments(parser: argparse.ArgumentParser, smoke: Mapping[str, Any]) -> argparse.Namespace:
    """The parsed command line. Every benchmark has ``--smoke``: tiny sizes that show that it runs.

    Args:
        smoke: the defaults that ``--smoke`` sets; what is on the command line still wins.
    """
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--smoke",
        action="store_true",
        help="run everything in seconds, at sizes whose figures say nothing",
    )
    if parser.parse_args().smoke:
        parser.set_defaults(**smoke)
    return parser.parse_args()


def emit(report: Mapping[str, Any], smoke: bool) -> None:
    """Print the report as JSON on standard output, and nothing else there.

    Args:
        smoke: the figures come from ``--smoke`` and must not be quoted.
    """
    about = {
        "date": date.today().isoformat(),
        "machine": processor(),
        "python": platform.python_version(),
    }
    json.dump({"smoke": smoke, **about, **report}, sys.stdout, indent=2)
    print()


def processor() -> str:
    """The processor's name where Linux gives one, else the architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )


# --- sides measured in turn ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """One of the things compared.

    Attributes:
        make: ``(*args) -> (work, facts)``: builds the side inside its own process, so it must be an importable
            function. ``work`` is what is timed, ``facts`` go into the report; a fact that is a function is called
            when everything is measured.
        before: called first, for imports whose memory does not belong to the side.
        needs: the module of a peer. The side is left out, and the report says so, where it is not installed.
    """

    name: str
    make: Callable[..., tuple[Work, dict[str, Any]]]
    args: Sequence[Any] = ()
    before: Callable[[], object] | None = None
    needs: str = ""

    @property
    def absent(self) -> bool:
        return bool(self.needs) and find_spec(self.needs) is None


@dataclass(slots=True)
class Result:
    """Seconds of CPU time per piece of work, one entry for each round, and the facts of the side."""

    seconds: list[float] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    peak_mb: float = 0.0
    own_mb: float = 0.0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def skipped(sides: Iterable[Side]) -> dict[str, str]:
    """The sides that cannot be measured here, and why."""
    return {side.name: f"{side.needs} is not installed: {EXTRA}" for side in sides if side.absent}


def in_turn(
    sides: Iterable[Side], rounds: int, repeats: int = 1, warm: int = 2
) -> dict[str, Result]:
    """Measure the sides that are installed, each in a process of its own.

    Every side does ``repeats`` pieces of work, then the next side, for ``rounds`` rounds: a slow minute of the
    machine affects all of them alike.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    context = get_context("spawn")
    workers: dict[str, tuple[Any, Connection]] = {}
    results: dict[str, Result] = {}
    try:
        for side in sides:
            if side.absent:
                continue
            ours, theirs = context.Pipe()
            worker = context.Process(target=_serve, args=(theirs, side, warm), daemon=True)
            worker.start()
            theirs.close()  # so that a side that fails ends this process too, and does not let it wait
            workers[side.name] = worker, ours
            ours.recv()
            results[side.name] = Result()
        for _ in range(rounds):
            for name, (_, pipe) in workers.items():
                pipe.send(repeats)
                results[name].seconds.append(pipe.recv() / repeats)
        for name, (_, pipe) in workers.items():
            pipe.send(0)
            results[name].peak_mb, results[name].own_mb, results[name].facts = pipe.recv()
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
    pipe.send("ready")
    while repeats := pipe.recv():
        start = time.process_time()
        for _ in range(repeats):
            work()
        pipe.send(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pipe.send(
        (
            peak,
            peak - imported,
            {name: fact() if callable(fact) else fact for name, fact in facts.items()},
        )
    )


def resident_mb() -> float:
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def seconds(work: Work, count: int, rounds: int) -> tuple[float, float]:
    """Median CPU and wall seconds of one of the ``count`` pieces that ``work`` does."""
    cpu, wall = [], []
    for _ in range(rounds):
        start = time.process_time(), time.perf_counter()
        work()
        cpu.append((time.process_time() - start[0]) / count)
        wall.append((time.perf_counter() - start[1]) / count)
    return statistics.median(cpu), statistics.median(wall)


# --- difftool, as a user drives it --------------------------------------------------------------------


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder for data and runs. The cache of decoded data lies in it too, for this process and those it starts."""
    before = os.environ.get("DIFFTOOL_CACHE")
    with TemporaryDirectory(prefix="difftool-benchmark-") as name:
        os.environ["DIFFTOOL_CACHE"] = str(Path(name) / "cache")
        try:
            yield Path(name)
        finally:
            os.environ.pop("DIFFTOOL_CACHE")
            if before is not None:
                os.environ["DIFFTOOL_CACHE"] = before


def train(
    modality: str, data: Path, run: Path, settings: Mapping[str, Any]
) -> Generator[Any, None, Any]:
    """A training that takes one step each time the iterator is asked. Closing the iterator saves the run."""
    import difftool

    training = difftool.training(
        modality, data, run=run, recipe="none", **{"train.device": "cpu", **settings}
    )
    return iter(training)  # type: ignore[return-value]


def saved_parameters(run: Path) -> int:
    """How many parameters the model file of a run holds."""
    from safetensors import safe_open

    with safe_open(run / "model.safetensors", "pt") as file:
        return sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (not a dict)


def fresh(
    modality: str, settings: Mapping[str, Any], description: Any, recipe: str | None = "none"
) -> Any:
    """The model that a training would begin with, its network freshly initialised, on the CPU.

    Args:
        description: of the data that there would be; the conditions of the model's own bridge are added to it.
    """
    import difftool

    given = {"train.device": "cpu", **settings}
    return difftool.build(modality, description=description, recipe=recipe, **given)
