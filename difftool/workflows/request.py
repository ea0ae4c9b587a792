"""What is asked of a trained model: all faults at once and before torch, to a built model and a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..config import BUILT, CHANGEABLE
from ..errors import ConfigError, UsageError
from .compatible import require_experts
from .model import modality_of, plain_config

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config, Layer
    from ..engine.generate import SampleRequest
    from ..expert import Expert
    from ..options import Options
    from ..plugin.registry import Registry
    from ..stage import Stage


REQUEST = "request"
"""The table, on the command line only, of the modality's own wishes."""

METRIC = "metric"
"""The table, on the command line only, of the options of metrics, in a table for each."""


@dataclass(frozen=True)
class Wish:
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


@dataclass(frozen=True)
class Granted:
    """A model and what it is to make.

    Attributes:
        config: the model's, with the wishes laid over it.
        info: provenance, to be written with each sample.
    """

    stage: Stage
    request: SampleRequest
    config: Config
    info: Mapping[str, Any]


def request_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``sample``."""
    from ..options import NoOptions

    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.request)) if spec.request else NoOptions


def granted(path: Path, parts: Registry, wish: Wish) -> Granted:
    """The model in a file, built, and the request that the wish makes of it."""
    before = plain_config(path)
    config, shape = settled(before, path, parts, wish) if before else (None, None)
    from ..assemble import load_stage

    if config:
        require_experts(path, config, wish.experts, parts)
    overrides = {name: config.to_dict()[name] for name in BUILT if config.to_dict()[name] != before[name]} if config else {}
    stage = load_stage(path, parts, device=wish.device, precision=wish.precision, ema=wish.ema, overrides=overrides)
    if config is None or shape is None:
        raise UsageError(f"{path} does not say what it was made with, and cannot be sampled from.")
    stage = replace(stage, experts=tuple(loaded_experts(wish, parts)))
    info = {**_provenance(path, config, wish), **shape.model_dump(mode="json", exclude_defaults=True)}
    return Granted(stage, _request(stage, config, shape, wish), config, info)


def settled(before: dict[str, Any], path: Path, parts: Registry, wish: Wish) -> tuple[Config, Options]:
    """The model's configuration with the wishes laid over it, and the modality's own wishes; all faults at once, before torch."""
    from ..config import dict_layer, flag_layer, resolve

    modality = modality_of(before)
    layer = flag_layer([flag for flag in wish.flags if flag[1].partition(".")[0] not in (REQUEST, METRIC)], wish.sets)
    faults = [_fixed(said.where((name,)), name) for said in (layer, *wish.over) for name in said.data if name not in CHANGEABLE]
    request, more = own_table(wish.flags, REQUEST, request_model(parts, modality), modality)
    try:
        config = resolve(None, [dict_layer(before, str(path)), *wish.under, layer, *wish.over], parts)
    except ConfigError as error:
        raise ConfigError([*faults, *more, *error.faults]) from None
    if faults or more or request is None:
        raise ConfigError([*faults, *more])
    return config, request


def own_table(flags: Sequence[tuple[str, str, Any]], table: str, model: type[Options], subject: str) -> tuple[Options | None, list[str]]:
    """What the flags of a table that is on the command line only say, and the faults in it.

    Args:
        subject: what the options belong to, for the faults.
    """
    from ..config.faults import validate
    from ..config.layers import parse_value

    own = [(flag, dotted.removeprefix(f"{table}."), value) for flag, dotted, value in flags if dotted.startswith(f"{table}.")]
    names = {key: flag for flag, key, _ in own}
    values = {key: value for _, key, value in own}
    parsed = {key: parse_value(value) if isinstance(value, str) else value for key, value in values.items()}
    return validate(model, parsed, values, lambda key: names.get(key, table), subject)


def _fixed(origin: str, name: str) -> str:
    return f"{origin}: [{name}] was settled when the model was trained; sampling can change {', '.join(CHANGEABLE)}"


def _request(stage: Stage, config: Config, shape: Options, wish: Wish) -> SampleRequest:
    from ..engine.generate import SampleRequest

    cond = dict(wish.cond)
    if wish.every_label:
        listed = [name for name in stage.denoiser.conditioners if stage.description.conditions[name].choices()]
        cond |= {name: ["all"] for name in listed if name not in cond}
    settings = {"guidance": config.guidance, "shape": shape, **config.sample.model_dump()}
    low: dict[str, Any] = {"low": wish.low, "level": wish.level, "agree": wish.agree, "place": wish.place}
    return SampleRequest(wish.n, seed=wish.seed, start=wish.start, cond=cond, **low, **settings)


def _provenance(path: Path, config: Config, wish: Wish) -> dict[str, Any]:
    return {
        "difftool": __version__,
        "model": str(path),
        "seed": wish.seed,
        "sampler": config.sampler.use,
        "steps": config.sample.steps,
        **({"resampling_steps": config.sample.resampling_steps} if config.sample.resampling_steps > 1 else {}),
        "guidance": config.guidance.scale,
        **({"level": wish.level} if len(wish.low) else {}),
        **({"experts": ", ".join(f"{other}@{below:g}" for below, other in wish.experts)} if wish.experts else {}),
    }


def loaded_experts(wish: Wish, parts: Registry) -> Iterator[Expert]:
    """The experts that a wish names, on its device."""
    from ..assemble import load_stage
    from ..expert import Expert

    for below, path in wish.experts:
        loaded = load_stage(path, parts, device=wish.device, precision=wish.precision, ema=wish.ema)
        yield Expert(below, loaded.denoiser, loaded.process.density)
