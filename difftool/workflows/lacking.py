"""What a model lacks for a request: told from headers of files, before torch is imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..config import NONE
from ..engine.folder import SNAPSHOTS, RunFolder
from ..errors import UsageError
from ..header import MODEL, SNAPSHOT, read_about
from ..names import local_path
from ..plugin.spec import ProcessSpec
from .model import ModelFile
from .request import Request
from .text import command

if TYPE_CHECKING:
    from ..config import Config, Part
    from ..plugin.registry import Registry

CLASSIFIER = "classifier"

BY_LABELS = ("cfg", "cfgpp", "apg")
"""Guidance that compares an estimate with a condition and without one."""


def refuse_lacking(model: ModelFile, config: Config, request: Request) -> None:
    """Raise UsageError where a guidance or an average needs what the model does not have.

    Args:
        config: of the model, with the settings of the request.
    """
    if request.ema is not None and not RunFolder(model.path.parent).snapshots():
        raise UsageError(
            f"{model.name} has no snapshots to make an average of width {request.ema:g} from. Train "
            "with --set ema.power=[0.05,0.1] --set ema.snapshot_every=N to be able to choose the "
            "width afterwards."
        )
    for name, part in {"guidance": config.guidance, **config.guidances}.items():
        if part.use != NONE:
            for text in _models(part):
                _require(text, part.use)
            scaled = getattr(part.options, "scale", 1.0) != 1.0
            if part.use in BY_LABELS and scaled and _asked(request, name):
                _require_labels(model, part.use)


def _models(part: Part) -> Iterator[str]:
    """The other models that a guidance opens."""
    if one := getattr(part.options, "model", ""):
        yield one
    yield from getattr(part.options, "models", ())


def _require(text: str, use: str) -> None:
    """Raise UsageError, ModelFileError unless another model is there and of the kind that is used."""
    path = local_path(text)
    path = path / "model.safetensors" if path.is_dir() else path
    if not path.is_file():
        raise UsageError(
            f"There is no model {text}, which the guidance {use} opens. Name a run that is trained, "
            "its model.safetensors, or a file in its folder snapshots."
        )
    kind = SNAPSHOT if path.parent.name == SNAPSHOTS else MODEL
    objective = read_about(path, kind)["config"].get("objective", {})
    found = objective.get("use", "") if isinstance(objective, dict) else objective
    if use == CLASSIFIER and found in ("denoising", "multiscale", "restoration"):
        raise UsageError(
            f"{text} is not a classifier. Train one on the same data with `difftool train … "
            "--objective classifier`: a model of examples knows no labels of noisy ones."
        )
    if use != CLASSIFIER and found == CLASSIFIER:
        raise UsageError(
            f"{text} is a classifier, which makes no estimates of examples. Use it with "
            "guidances.NAME.use = classifier, or name another run."
        )


def _asked(request: Request, name: str) -> bool:
    """Whether the request names a guidance, which may otherwise be a habit of the recipe."""
    tables = (f"{name}.", f"guidances.{name}.")
    asked = [dotted for _, dotted, _ in request.flags] + list(request.sets)
    return any(one.startswith(tables) for one in asked)


def _require_labels(model: ModelFile, use: str) -> None:
    if not any(column.settable for column in model.description.conditions.values()):
        raise UsageError(
            f"{model.name} was trained without labels, so the guidance {use} has nothing to follow. "
            "Train on files in folders by label or with a metadata.csv, or find a guidance that "
            f"needs no labels: {command('tune', 'guidance', model.name)}"
        )


def refuse_without_noise(configs: Iterable[Config], what: str, fix: str, parts: Registry) -> None:
    """Raise UsageError where a model has a process without noise, which something needs."""
    for config in configs:
        spec = parts.get("process", config.process.use)
        if isinstance(spec, ProcessSpec) and not spec.noisy:
            raise UsageError(
                f"The process {config.process.use} adds no noise, and {what} needs it. {fix}"
            )
