"""The plan of one stage of a cascade, or of an expert of one, with its settings resolved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, Part
from ..config.cascade import unit_name

if TYPE_CHECKING:
    from ..config import Config

STAGE = "stage:"
"""Before the name of a stage, where a setting asks for the path of a model."""


@dataclass(frozen=True)
class StagePlan:
    """One stage, or an expert of one, resolved.

    Attributes:
        config: the settings of its run; for a trained model, with the changes that sampling makes.
        level: noise level, in model units, that sampling adds to the stage's input; None if unset,
            which means 0.
        model: the model file of a stage that is trained already; None for one to train.
        experts: the experts of a stage, in the order of the file.
        of: the stage that an expert belongs to; "" for a stage.
        below: the noise level below which an expert takes over.
        branches: whether an expert starts from the weights of its stage.
    """

    name: str
    config: Config
    level: float | None = None
    model: Path | None = None
    experts: tuple[StagePlan, ...] = ()
    of: str = ""
    below: float = 0.0
    branches: bool = False

    @property
    def coder(self) -> str:
        """The stage whose autoencoder makes its latents, or what it refines; "" if it names none."""
        return next(filter(None, map(_named, (self.config.representation, self.config.bridge))), "")

    @property
    def diffuses_latents(self) -> bool:
        """Whether the autoencoder of another stage makes its latents."""
        return bool(_named(self.config.representation))

    def coded_by(self, model: Path) -> Config:
        """Its settings, with the path of the autoencoder in place of the stage's name."""
        parts: dict[str, Part] = {k: getattr(self.config, k) for k in ("representation", "bridge")}
        path = {"model": str(model.absolute())}
        named = {
            kind: Part(part.use, part.options.model_copy(update=path))
            for kind, part in parts.items()
            if _named(part) == self.coder
        }
        return self.config.replace(**named)

    def to_dict(self) -> dict[str, Any]:
        """The stage as a cascade file writes it. Its settings are complete, so it has no recipe."""
        level = {} if self.level is None else {"level": self.level}
        tables = self.config.to_dict()
        experts = [expert._as_expert() for expert in self.experts]
        rest = {"expert": experts} if experts else {}
        if self.model is not None:
            changed = {name: tables[name] for name in CHANGEABLE if name in tables}
            return {"name": self.name, "run": str(self.model), **level, **changed, **rest}
        return {"name": self.name, "recipe": "none", **level, **tables, **rest}

    def _as_expert(self) -> dict[str, Any]:
        """The same for an expert. ``init`` is left out where the expert starts from its stage."""
        own = {"name": self.name.removeprefix(unit_name(self.of, "")), "below": self.below}
        if self.model is not None:
            return {**own, "run": str(self.model)}
        tables = self.config.to_dict()
        if self.branches:
            tables["train"] = {
                key: value for key, value in tables["train"].items() if key != "init"
            }
        return {**own, **tables}


def _named(part: Part) -> str:
    """The stage that a part names as its model; "" if it names none."""
    named = getattr(part.options, "model", "")
    is_stage = isinstance(named, str) and named.startswith(STAGE)
    return named.removeprefix(STAGE) if is_stage else ""


def units(stages: Iterable[StagePlan]) -> list[StagePlan]:
    """Everything that has a folder of its own: each stage, and after it its experts."""
    return [unit for stage in stages for unit in (stage, *stage.experts)]


def sampling(stages: Iterable[StagePlan]) -> list[StagePlan]:
    """The stages that make samples: all but the autoencoders of others."""
    stages = list(stages)
    coders = {stage.coder for stage in stages}
    return [stage for stage in stages if stage.name not in coders]
