"""A stage of a cascade, or an expert of one, with its settings resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w

from ..config import CHANGEABLE
from ..config.cascade import unit_name

if TYPE_CHECKING:
    from ..config import Config


@dataclass(frozen=True)
class CascadeStage:
    """One stage, or an expert of one, resolved.

    Attributes:
        config: of its run; of a stage that is trained already, with what sampling is to change in it.
        level: noise level, in model units, of what it is shown when sampling; None where nothing is said, which means 0.
        model: the model file of a stage that is trained already; None for one to train.
        experts: of a stage, in the order of the file.
        of: the stage that an expert belongs to; "" for a stage.
        below: the noise level under which an expert takes over.
        branches: whether an expert starts from the weights of its stage.
    """

    name: str
    config: Config
    level: float | None = None
    model: Path | None = None
    experts: tuple[CascadeStage, ...] = ()
    of: str = ""
    below: float = 0.0
    branches: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The stage as a cascade file writes it: it builds on no recipe."""
        level = {} if self.level is None else {"level": self.level}
        tables = self.config.to_dict()
        experts = {"expert": [expert._as_expert() for expert in self.experts]} if self.experts else {}
        if self.model is not None:
            return {"name": self.name, "run": str(self.model), **level, **{name: tables[name] for name in CHANGEABLE}, **experts}
        return {"name": self.name, "recipe": "none", **level, **tables, **experts}

    def _as_expert(self) -> dict[str, Any]:
        """The same of an expert; it says nothing of where its weights come from if that is its stage."""
        own = {"name": self.name.removeprefix(unit_name(self.of, "")), "below": self.below}
        if self.model is not None:
            return {**own, "run": str(self.model)}
        tables = self.config.to_dict()
        if self.branches:
            tables["train"] = {key: value for key, value in tables["train"].items() if key != "init"}
        return {**own, **tables}


def units(stages: Iterable[CascadeStage]) -> list[CascadeStage]:
    """Everything that has a folder of its own: each stage, and after it its experts."""
    return [unit for stage in stages for unit in (stage, *stage.experts)]


def to_toml(stages: Iterable[CascadeStage]) -> str:
    """A cascade file that resolves to these very stages."""
    return tomli_w.dumps({"stage": [stage.to_dict() for stage in stages]})
