"""Config: every choice of a run, validated, as one frozen record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import Field

from ..engine.options import DataOptions, EmaOptions, GuidanceOptions, OptimizerOptions, SampleOptions, TrainOptions
from ..options import NoOptions, Options

AUTO = "auto"
"""The ``use`` of a condition whose conditioner follows from the data's column."""

NONE = "none"
"""The ``use`` of a condition that is switched off and of a bridge that is not there, and the ``recipe`` of a file that builds on none."""

# The tables that name a part. One whose default depends on another's choice stands after it.
PARTS = ("modality", "representation", "backbone", "process", "density", "weighting", "schedule", "objective", "sampler", "bridge")

PARENTS: dict[str, str] = {"representation": "modality", "density": "process", "weighting": "process", "schedule": "process"}

DEFAULTS: dict[str, str] = {"backbone": "unet", "process": "edm", "objective": "denoising", "sampler": "heun", "bridge": NONE}

ENGINE: dict[str, type[Options]] = {
    "data": DataOptions,
    "train": TrainOptions,
    "optimizer": OptimizerOptions,
    "ema": EmaOptions,
    "guidance": GuidanceOptions,
    "sample": SampleOptions,
}

TABLES = (*PARTS, "conditions", *ENGINE)


class AutoConditionOptions(Options):
    """Settings of a condition whose conditioner is chosen when the data is seen."""

    dropout: float | None = Field(
        None, ge=0, le=1, description="share of examples whose value is withheld in training; the conditioner's own unless given"
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
    sampler: Part
    bridge: Part = field(default_factory=lambda: Part(NONE))
    conditions: Mapping[str, Part] = field(default_factory=dict)
    data: DataOptions = field(default_factory=DataOptions)
    train: TrainOptions = field(default_factory=TrainOptions)
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    ema: EmaOptions = field(default_factory=EmaOptions)
    guidance: GuidanceOptions = field(default_factory=GuidanceOptions)
    sample: SampleOptions = field(default_factory=SampleOptions)

    def replace(self, **changes: Any) -> Config:
        """A copy with these fields changed."""
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Plain tables that TOML and JSON can hold: no None, lists for tuples."""
        tables = {name: getattr(self, name).to_dict() for name in PARTS}
        if self.conditions:
            tables["conditions"] = {name: part.to_dict() for name, part in self.conditions.items()}
        return tables | {name: _plain(getattr(self, name)) for name in ENGINE}

    def to_toml(self) -> str:
        """A file that resolves to this very configuration: it builds on no recipe."""
        import tomli_w

        return tomli_w.dumps({"recipe": NONE, **self.to_dict()})


def _plain(options: Options) -> dict[str, Any]:
    return options.model_dump(mode="json", exclude_none=True)
