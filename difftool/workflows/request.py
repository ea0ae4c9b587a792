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

if TYPE_CHECKING:
    import numpy as np

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
    """What is requested of a model.

    Attributes:
        flags, sets: settings that replace the model's own.
        every_label: all labels in turn, unless ``cond`` names others.
        under, over: settings of a stage of a cascade that are weaker, or stronger, than flags and
            sets.
        low: the input of a later stage, one raw example of the earlier stage for each sample.
        level: noise level that is added to its input.
        agree: whether samples have to agree with ``low``, because no model made it.
        place: the number of a stage that refines among those of its cascade, from 1.
        experts: model files, each with the level below which it takes over.
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
    under: Sequence[Layer] = ()
    over: Sequence[Layer] = ()
    low: Sequence[np.ndarray] = ()
    level: float = 0.0
    agree: bool = False
    place: int = 1
    experts: Sequence[tuple[float, Path]] = ()


def request_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``sample``."""
    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.request)) if spec.request else NoOptions


def selection_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``edit``."""
    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.selection)) if spec.selection else NoOptions


def settled(model: ModelFile, parts: Registry, request: Request) -> tuple[Config, Options]:
    """The model's configuration with the options laid over it, and the modality's own options; all
    faults at once, before torch.
    """
    layer = flag_layer(
        [flag for flag in request.flags if flag[1].partition(".")[0] not in _OWN],
        request.sets,
    )
    faults = [
        _fixed(one.where((name,)), name)
        for one in (layer, *request.over)
        for name in one.data
        if name not in CHANGEABLE
    ]
    own = model.config(parts)  # first, because its faults name the model's file
    shape, more = own_table(
        request.flags, REQUEST, request_model(parts, model.modality), model.modality
    )
    over = [one for one in (*request.under, layer, *request.over) if one.data or one.faults]
    try:
        config = (
            resolve(None, [dict_layer(model.tables, str(model.path)), *over], parts)
            if over
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
