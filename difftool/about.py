"""The model of what a weight file says about itself: every entry that is read, with its type.

Importing it imports pydantic, so readers import it when they have a file to read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    TypeAdapter,
    ValidationError,
)

LARGEST = 2**63
"""Numbers of a file are below this size, because arrays cannot hold larger ones."""

Table = dict[str, Any]


class MetricsRow(BaseModel):
    """A line of ``metrics.jsonl``. The loss is null before the first update of the first player."""

    step: Annotated[int, Field(ge=0, lt=LARGEST)]
    loss: float | None
    lr: float
    examples_per_second: float
    memory_bytes: float | None = None
    losses: dict[str, float] = {}


class LevelsRow(BaseModel):
    """A line of ``levels.jsonl``: for the weights and each average, a loss at each level."""

    step: Annotated[int, Field(ge=0, lt=LARGEST)]
    sigmas: list[float]
    held: dict[str, list[float]]
    trained: dict[str, list[float]]
    error: list[float]
    score: float | None = None


class Trained(BaseModel):
    """What a stage is built from: its configuration, its data, the runs that parts came from, and
    the packages that provide them.
    """

    config: dict[str, Table]
    description: Table
    opened: dict[str, Trained] = {}
    parts: dict[str, str] = {}


class Tuned(BaseModel):
    """Settings that `difftool tune sampler` found for a number of steps."""

    sets: list[str]
    ema: float | None = None


class About(Trained):
    """The entry ``about`` of a model, a checkpoint or a snapshot; ``step`` is in every kind."""

    step: NonNegativeInt = 0
    ema: str = ""
    losses: dict[str, list[Annotated[float, Field(allow_inf_nan=False)]]] = {}
    metrics: MetricsRow | None = None
    tuned: dict[str, Tuned] = {}


class Environment(BaseModel):
    """``environment.json``: the machine, versions and command of a run. More entries may follow."""

    model_config = ConfigDict(extra="allow")

    data: str = "?"
    command: list[str] = []
    started: str = "?"
    parts: dict[str, str] = {}


MOST = 2**40
"""Numbers in an example are fewer: a terabyte of bytes."""


def _of_possible_size(shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
    if math.prod(size or 1 for size in shape) >= MOST:
        raise ValueError("no example is as large as this")
    return shape


class Described(BaseModel):
    """The entry ``description``; its conditions are read by their own classes."""

    shape: Annotated[
        tuple[Annotated[int, Field(ge=1)] | None, ...], AfterValidator(_of_possible_size)
    ]
    dtype: str
    count: NonNegativeInt
    conditions: dict[str, Table]
    extra: Table
    fingerprint: str = ""
    measured: Table = {}


def checked(adapter: TypeAdapter[Any], data: Any, entry: str) -> Any:
    """Plain data as the type of this adapter. Types are strict: a text is not read as a number.

    Args:
        entry: the name of the data in the file, for the message.

    Raises:
        ValueError: names the entry that does not fit, and what is expected.
    """
    try:
        return adapter.validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, fact = (
            ".".join([entry, *map(str, first["loc"])]).strip("."),
            first["msg"].removeprefix("Value error, "),
        )
        raise ValueError(
            f"its entry {place!r} is not valid: {fact[:1].lower()}{fact[1:]}"
        ) from None


@lru_cache(maxsize=256)
def adapter_of(kind: type) -> TypeAdapter[Any]:
    """The validator of a type. Making one takes a millisecond."""
    return TypeAdapter(kind)


def require_plain_numbers(data: Any, entry: str) -> None:
    """Raise ValueError for NaN, infinity or a number of more than 63 bits in JSON data."""
    for place, value in _numbers(data, entry):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"its entry {place!r} is {value}, not a finite number")
        if isinstance(value, int) and not -LARGEST <= value < LARGEST:
            raise ValueError(f"its entry {place!r} is too large")


def _numbers(data: Any, entry: str) -> Iterator[tuple[str, int | float]]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _numbers(value, f"{entry}.{name}")
    elif isinstance(data, list | tuple):
        for i, value in enumerate(data):
            yield from _numbers(value, f"{entry}.{i}")
    elif isinstance(data, int | float):
        yield entry, data
