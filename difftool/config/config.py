"""Config: every choice of a run, validated, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from ..options import NoOptions, Options
from ..plugin.kinds import AUTO, KINDS, NONE, Kind
from ..settings import DataOptions, EmaOptions, SampleOptions, TrainOptions

PARTS: dict[str, Kind] = {kind.table: kind for kind in KINDS.values() if kind.table}
"""The tables that name one part. A table whose default depends on another comes after it."""

SEVERAL: dict[str, Kind] = {kind.tables: kind for kind in KINDS.values() if kind.tables}
"""The tables that hold several named parts."""

ENGINE: dict[str, type[Options]] = {
    "data": DataOptions,
    "train": TrainOptions,
    "ema": EmaOptions,
    "sample": SampleOptions,
}
"""The tables that hold settings but do not name a part."""

TABLES = (*PARTS, *SEVERAL, *ENGINE)

BUILT = tuple(table for table, kind in (PARTS | SEVERAL).items() if kind.sampling)
"""The tables of parts that can be changed after training."""

CHANGEABLE = (*BUILT, "sample")
"""The tables that sampling can change."""

SHARED = tuple(table for table, kind in PARTS.items() if kind.shared)
"""The tables in which an expert must agree with its stage."""

MEANING = tuple(table for table, kind in PARTS.items() if kind.meaning)
"""The tables that give a network's weights their meaning."""


class AutoConditionOptions(Options):
    """Settings of a condition whose conditioner is chosen from the data."""

    dropout: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of training examples without this condition; unset for the "
        "conditioner's default",
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A chosen part: its name and its options."""

    use: str
    options: Options = field(default_factory=NoOptions)

    def to_dict(self) -> dict[str, Any]:
        return {"use": self.use, **_plain(self.options)}


@dataclass(frozen=True, slots=True)
class Config:
    """The resolved configuration: one part per noun, and the engine's settings."""

    modality: Part
    representation: Part
    backbone: Part
    process: Part
    density: Part
    weighting: Part
    schedule: Part
    objective: Part
    optimizer: Part
    sampler: Part
    guidance: Part
    bridge: Part = field(default_factory=lambda: Part(NONE))
    source: Part = field(default_factory=lambda: Part(AUTO))
    conditions: Mapping[str, Part] = field(default_factory=dict)
    guidances: Mapping[str, Part] = field(default_factory=dict)
    observers: Mapping[str, Part] = field(default_factory=dict)
    data: DataOptions = field(default_factory=DataOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    ema: EmaOptions = field(default_factory=EmaOptions)
    sample: SampleOptions = field(default_factory=SampleOptions)

    def replace(self, **changes: Any) -> Config:
        """A copy with these fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain tables that TOML and JSON can hold: no None, lists for tuples."""
        tables = {name: getattr(self, name).to_dict() for name in PARTS}
        for table in SEVERAL:
            if parts := getattr(self, table):
                tables[table] = {name: part.to_dict() for name, part in parts.items()}
        return tables | {name: _plain(getattr(self, name)) for name in ENGINE}

    def to_toml(self) -> str:
        """A TOML file that resolves to this configuration exactly; it extends no recipe."""
        import tomli_w

        return tomli_w.dumps({"recipe": NONE, **self.to_dict()})


def _plain(options: Options) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude_none=True)
