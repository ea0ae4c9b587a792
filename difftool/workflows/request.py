"""What is asked of a trained model: checked at once, all faults together, and before torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import CHANGEABLE, dict_layer, flag_layer, resolve
from ..config.faults import validate
from ..config.layers import parse_value
from ..errors import ConfigError
from ..options import NoOptions
from .model import ModelFile
from .tuned import tuned_for

if TYPE_CHECKING:
    from ..config import Config, Layer
    from ..options import Options
    from ..plugin.registry import Registry


REQUEST = "request"
"""The table of the modality's own options, which exists on the command line only."""

SELECTION = "selection"
"""The table of the modality's own options of ``edit``, which exists on the command line only."""

EDIT = "edit"
"""The table of the options of an edit, which exists on the command line only."""

METRIC = "metric"
"""The table of the options of metrics, one table each, which exists on the command line only."""


_OWN = (REQUEST, SELECTION, EDIT, METRIC)


@dataclass(frozen=True)
class Request:
    """What is requested of a model, or of several of which each refines the output of the one
    before it.

    Attributes:
        flags, sets: settings that replace the model's own.
        every_label: all labels in turn, unless ``cond`` names others.
        experts: model files, each with the level below which it takes over.
        words: runs, model files and cascades, in order; the latest run unless given.
        until: the last stage to sample; None for the last one.
        files: examples to refine, instead of an earlier stage's samples.
        entry: the stage that refines the files; None for the first stage that refines anything.
        level: noise level for every stage that refines; None for that of the cascade file.
        counted: whether the user gave the number of samples; otherwise there is one for each file.
        as_trained: whether files are brought to the size of training examples.
        tuned: whether to use the settings that the model holds for the number of steps.
        handing: whether the caller provides what the first stage refines, where it refines
            anything.
        control: files whose maps samples follow.
        control_scale: how much they count.
        branches: further models with control branches, each with a file whose map samples follow
            too, and how much it counts.
        adapters: files of fine-tuning, each with its weight.
        negative: what samples shall not be, by the names of conditions.
    """

    n: int = 16
    seed: int = 0
    start: int = 0
    device: str = "auto"
    precision: str = "auto"
    ema: float | None = None
    cond: Mapping[str, list[str]] = field(default_factory=dict)
    flags: list[tuple[str, str, Any]] = field(default_factory=list)
    sets: tuple[str, ...] = ()
    every_label: bool = False
    experts: Sequence[tuple[float, Path]] = ()
    words: Sequence[str] = ()
    until: str | None = None
    files: Sequence[Path] = ()
    entry: str | None = None
    level: float | None = None
    counted: bool = True
    as_trained: bool = False
    handing: bool = False
    control: Sequence[Path] = ()
    control_scale: float = 1.0
    branches: Sequence[tuple[Path, Path, float]] = ()
    adapters: Sequence[tuple[Path, float]] = ()
    negative: Mapping[str, list[str]] = field(default_factory=dict)
    tuned: bool = True


def request_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``sample``."""
    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.request)) if spec.request else NoOptions


def selection_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``edit``."""
    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.selection)) if spec.selection else NoOptions


def settled(
    model: ModelFile,
    parts: Registry,
    request: Request,
    under: Sequence[Layer] = (),
    over: Sequence[Layer] = (),
) -> tuple[Config, Options]:
    """The model's configuration with the options laid over it, and the modality's own options; all
    faults at once, before torch.

    Args:
        under, over: settings that are weaker, or stronger, than those of the request.
    """
    layer = flag_layer(
        [flag for flag in request.flags if flag[1].partition(".")[0] not in _OWN],
        request.sets,
    )
    faults = [
        _fixed(one.where((name,)), name)
        for one in (layer, *over)
        for name in one.data
        if name not in CHANGEABLE
    ]
    own = model.config(parts)  # first, because its faults name the model's file
    shape, more = own_table(
        request.flags, REQUEST, request_model(parts, model.modality), model.modality
    )
    sets, _ = tuned_for(model.tuned, request.flags, request.sets) if request.tuned else ((), None)
    tuned = flag_layer([], sets)
    layers = [one for one in (tuned, *under, layer, *over) if one.data or one.faults]
    try:
        config = (
            resolve(None, [dict_layer(model.tables, str(model.path)), *layers], parts)
            if layers
            else own
        )
    except ConfigError as error:
        raise ConfigError([*faults, *more, *error.faults]) from None
    if faults or more or shape is None:
        raise ConfigError([*faults, *more])
    return config, shape


def own_table(
    flags: Sequence[tuple[str, str, Any]], table: str, model: type[Options], subject: str
) -> tuple[Options | None, list[str]]:
    """What the flags of a table that is on the command line only say, and the faults in it.

    Args:
        subject: what the options belong to, for the faults.
    """
    own = [
        (flag, dotted.removeprefix(f"{table}."), value)
        for flag, dotted, value in flags
        if dotted.startswith(f"{table}.")
    ]
    names = {key: flag for flag, key, _ in own}
    values = {key: value for _, key, value in own}
    parsed = {
        key: parse_value(value) if isinstance(value, str) else value
        for key, value in values.items()
    }
    texts = {key: value for key, value in values.items() if isinstance(value, str)}
    return validate(model, parsed, texts, lambda key: names.get(key, table), subject)


def _fixed(origin: str, name: str) -> str:
    return (
        f"{origin}: [{name}] cannot be changed after training; sampling can change "
        f"{', '.join(CHANGEABLE)}"
    )
