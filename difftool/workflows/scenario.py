"""A scenario: models, samplers, steps, guidances, conditions and seeds, each measured with each.

HEIM compares models in this way (Lee et al. 2023, arXiv:2311.04287).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from pydantic import Field, NonNegativeFloat, PositiveInt

from ..config.faults import validate
from ..config.layers import file_layer
from ..errors import ConfigError, DifftoolError
from ..files import write_text
from ..options import Options
from .chain import chain_of
from .chain_stage import ChainStage
from .chosen_metrics import chosen_metrics
from .evaluate import evaluate_chain
from .reference import Reference
from .reporter import Count, Reporter, T
from .request import Request
from .verdict import run_of

if TYPE_CHECKING:
    from ..plugin.registry import Registry

AXES = ("models", "samplers", "steps", "guidances", "conditions")
"""What differs between the rows of a table. Seeds are averaged over."""


class ScenarioOptions(Options):
    """A scenario file."""

    models: tuple[str, ...] = Field(description="runs or model files", min_length=1)
    samplers: tuple[str, ...] = Field((), description="samplers; none for that of the model")
    steps: tuple[PositiveInt, ...] = Field((), description="steps; none for those of the model")
    guidances: tuple[NonNegativeFloat, ...] = Field(
        (), description="scales of guidance; none for that of the model"
    )
    conditions: tuple[dict[str, str], ...] = Field(
        (), description="conditions, such as {class = 'A'}; none to draw them as in the data"
    )
    seeds: tuple[int, ...] = Field((0,), description="seeds, over which is averaged")
    metrics: tuple[str, ...] = Field((), description="names of metrics; none for the usual ones")
    n: PositiveInt = Field(256, description="samples of a cell")
    data: PositiveInt = Field(5000, description="largest number of examples of the data")
    against: str = Field("", description="data to compare with; empty for the training data")
    device: str = Field("auto", description="auto, cpu, cuda, …")


COSTS = {
    "seconds": ("seconds", 1.0),
    "memory GB": ("memory_bytes", 1e9),
    "training seconds": ("training_seconds", 1.0),
    "training GB": ("training_memory_bytes", 1e9),
}
"""Head of a column -> where a row has it, and its unit."""


@dataclass(frozen=True)
class Cell:
    """One model, sampled in one way from one seed.

    Attributes:
        place: axis -> its value; None for that of the model.
    """

    place: Mapping[str, Any]
    seed: int

    @property
    def request(self) -> Request:
        """What is asked of the model."""
        flags = [
            (axis, key, self.place[axis])
            for axis, key in (
                ("samplers", "sampler.use"),
                ("steps", "sample.steps"),
                ("guidances", "guidance.scale"),
            )
            if self.place[axis] is not None
        ]
        cond = {name: [value] for name, value in (self.place["conditions"] or {}).items()}
        return Request(
            seed=self.seed, cond=cond, flags=flags, words=[self.place["models"]], handing=True
        )


def read_scenario(path: Path) -> ScenarioOptions:
    """A scenario file. Raises ConfigError, all faults at once."""
    layer = file_layer(path)
    if layer.faults:
        raise ConfigError(list(layer.faults))
    found, faults = validate(ScenarioOptions, layer.data, {}, lambda key: str(path), "scenario")
    if faults or not isinstance(found, ScenarioOptions):
        raise ConfigError(faults)
    return found


def cells(scenario: ScenarioOptions) -> list[Cell]:
    """Every combination, in the order of the axes."""
    values = [getattr(scenario, axis) or (None,) for axis in AXES]
    return [
        Cell(dict(zip(AXES, place, strict=True)), seed)
        for place in product(*values)
        for seed in scenario.seeds
    ]


def run_scenario(
    scenario: ScenarioOptions, results: Path, parts: Registry, reporter: Reporter
) -> Iterator[dict[str, Any]]:
    """Measure the cells that do not stand in ``results`` yet; yields the rows of all.

    Each row is appended as soon as it is known, so that a scenario that was stopped goes on. A cell
    that cannot be measured has ``error``, and is tried again next time.
    """
    known = {row["key"]: row for row in _rows(results) if "error" not in row}
    # without the half of a line that a kill has left
    write_text(results, "".join(json.dumps(row) + "\n" for row in known.values()))
    todo = cells(scenario)
    for number, cell in enumerate(todo, 1):
        key = _key(scenario, cell)
        if key not in known:
            reporter.say(f"cell {number} of {len(todo)}: {named(cell)}")
            known[key] = {"key": key, **dict(cell.place), "seed": cell.seed}
            known[key] |= _measured(scenario, cell, parts, reporter)
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[key]) + "\n")
        yield known[key]


def named(cell: Cell) -> str:
    """A cell in words."""
    given = [str(value) for value in cell.place.values() if value is not None]
    return ", ".join([*given, f"seed {cell.seed}"])


def _rows(results: Path) -> Iterator[dict[str, Any]]:
    for line in results.read_bytes().splitlines() if results.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:  # the last line of a kill
            continue
        if isinstance(row, dict) and "key" in row:
            yield row


def _key(scenario: ScenarioOptions, cell: Cell) -> str:
    """What decides the numbers of a cell, with the time at which its model was written."""
    model = Path(cell.place["models"])
    file = model if model.is_file() else model / "model.safetensors"
    written = file.stat().st_mtime_ns if file.exists() else 0
    about = [dict(cell.place), cell.seed, scenario.n, scenario.data, scenario.against, written]
    about.append(list(scenario.metrics))
    return blake2b(json.dumps(about, sort_keys=True).encode(), digest_size=8).hexdigest()


class _Timed(Reporter):
    """Measures how long samples take; says what another reporter says.

    Attributes:
        seconds: of all samples so far.
    """

    def __init__(self, other: Reporter) -> None:
        self._other, self.seconds = other, 0.0

    def say(self, text: str) -> None:
        self._other.say(text)

    def counter(self) -> Count:
        return self._other.counter()

    def counted(self, things: Iterable[T], total: int, what: str) -> Iterator[T]:
        start = time.perf_counter()
        yield from super().counted(things, total, what)
        if what == "sampling":
            self.seconds += time.perf_counter() - start


def _measured(
    scenario: ScenarioOptions, cell: Cell, parts: Registry, reporter: Reporter
) -> dict[str, Any]:
    """The numbers of a cell, the seconds of its samples and the memory of the process."""
    from ..engine.device import choose_device, memory_in_use  # torch

    request = replace(cell.request, n=scenario.n, device=scenario.device)
    against = Reference(Path(scenario.against) if scenario.against else None, scenario.data)
    timed = _Timed(reporter)
    try:
        chain = chain_of(request, parts, reporter)
        use = chain.stages[-1].config.modality.use
        chosen = chosen_metrics(parts, use, ",".join(scenario.metrics) or None, request)
        found = evaluate_chain(chain, parts, timed, cell.seed, chosen, None, against, keeping=False)
    except DifftoolError as error:
        return {"error": str(error)}
    numbers = {
        f"{row['metric']} {row['name']}": [row["samples"], row["samples_error"]]
        for row in found["rows"]
    }
    data = {f"{row['metric']} {row['name']}": row["data"] for row in found["rows"]}
    return {
        "numbers": numbers,
        "data": data,
        "seconds": timed.seconds,
        "memory_bytes": memory_in_use(choose_device(scenario.device)),
        **_of_training(chain.stages[-1]),
    }


def _of_training(stage: ChainStage) -> dict[str, float]:
    """The seconds and the memory of the training of a stage, where its run is there and says them."""
    if (folder := run_of(stage)) is None:
        return {}
    found, before = {"training_seconds": 0.0}, 0
    for row in folder.metrics():
        count = (row["step"] - before) * stage.config.train.batch
        found["training_seconds"] += count / max(row["examples_per_second"], 1e-9)
        before = row["step"]
        if memory := row.get("memory_bytes"):
            found["training_memory_bytes"] = max(found.get("training_memory_bytes", 0.0), memory)
    return found if before else {}


def table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows of a table: a line for each place, averaged over seeds.

    A number of several seeds has their standard deviation, one of a single seed its standard error.
    Axes that do not differ are left out.
    """
    places: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        places.setdefault(json.dumps([row[axis] for axis in AXES]), []).append(row)
    varied = [axis for axis in AXES if len({json.dumps(row[axis]) for row in rows}) > 1]
    names = list(dict.fromkeys(name for row in rows for name in row.get("numbers", {})))
    costs = {
        head: (key, unit)
        for head, (key, unit) in COSTS.items()
        if any(row.get(key) is not None for row in rows)
    }
    heads = [*(varied or ["models"]), *names, *costs]
    lines = []
    for same in places.values():
        place = [_word(same[0][axis]) for axis in varied or ["models"]]
        good = [row for row in same if "error" not in row]
        if not good:
            lines.append([*place, *["-"] * (len(names) + len(costs))])
            continue
        cells = [_cell([row["numbers"].get(name, (None, None)) for row in good]) for name in names]
        for key, unit in costs.values():
            known = [row[key] / unit for row in good if row.get(key) is not None]
            known = known[:1] if key.startswith("training") else known  # of one training
            cells.append(_cell([(value, None) for value in known]))
        lines.append([*place, *cells])
    data = [row["data"] for row in rows if "data" in row]
    if data:
        own = [_cell([(one.get(name), None) for one in data[:1]]) for name in names]
        lines.append(["held-out data", *[""] * (len(varied or [1]) - 1), *own, *[""] * len(costs)])
    return heads, lines


def _word(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={one}" for name, one in value.items())
    return "the model's" if value is None else str(value)


def _cell(values: Sequence[Sequence[float | None]]) -> str:
    """The mean of numbers over seeds, with what is known of its spread."""
    known = [value for value, _ in values if value is not None]
    if not known:
        return "-"
    spread = stdev(known) if len(known) > 1 else next((e for _, e in values if e is not None), None)
    return f"{fmean(known):.4g}" + ("" if spread is None else f" ± {spread:.2g}")
