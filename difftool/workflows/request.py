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
"""The table, on the command line only, of the modality's own options."""

METRIC = "metric"
"""The table, on the command line only, of the options of metrics, in a table for each."""


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
        flags, sets: settings that replace the model's own.
        every_label: all labels in turn, where nothing else is said.
        under, over: of a stage of a cascade, settings that flags and sets lie over, and such as lie over them.
        low: what a later stage refines, one raw example of the earlier stage for each sample.
        level: noise added to what is shown of it.
        agree: samples shall agree with it, as it is no model's.
        place: of a stage that refines, its place among those of its cascade, from 1.
        experts: models that take over where there is less noise than a level, with that level.
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


def settled(model: ModelFile, parts: Registry, request: Request) -> tuple[Config, Options]:
    """The model's configuration with the options laid over it, and the modality's own options; all faults at once, before torch."""
    layer = flag_layer(
        [flag for flag in request.flags if flag[1].partition(".")[0] not in (REQUEST, METRIC)],
        request.sets,
    )
    faults = [
        _fixed(said.where((name,)), name)
        for said in (layer, *request.over)
        for name in said.data
        if name not in CHANGEABLE
    ]
    shape, more = own_table(
        request.flags, REQUEST, request_model(parts, model.modality), model.modality
    )
    try:
        over = [one for one in (*request.under, layer, *request.over) if one.data or one.faults]
        config = (
            resolve(None, [dict_layer(model.tables, str(model.path)), *over], parts)
            if over
            else model.config(parts)
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
    return validate(model, parsed, values, lambda key: names.get(key, table), subject)


def _fixed(origin: str, name: str) -> str:
    return f"{origin}: [{name}] was settled when the model was trained; sampling can change {', '.join(CHANGEABLE)}"
