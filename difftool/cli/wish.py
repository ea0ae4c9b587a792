"""What is asked of a trained model: from flags, all faults at once and before torch, to a built model and a request."""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..config import BUILT, CHANGEABLE
from ..errors import ConfigError, DifftoolError, UsageError
from .console import command
from .flags import Flag, flags_of, given, registry

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config, Layer
    from ..engine.generate import SampleRequest
    from ..options import Options
    from ..plugin.registry import Registry
    from ..stage import Stage

REQUEST = "request"
"""The table, on the command line only, of the modality's own wishes."""


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


_OPTIONS = (
    click.option(
        "--cond",
        "conds",
        multiple=True,
        metavar="NAME=VALUE[,VALUE…]",
        help='A condition; several values are taken in turn; all, or none. A value with a comma: NAME="A,B".',
    ),
    click.option(
        "--seed",
        default=0,
        metavar="N",
        show_default=True,
        type=click.IntRange(0),
        help="Names the samples: number i of a seed is always the same.",
    ),
    click.option("--start", default=0, metavar="N", show_default=True, type=click.IntRange(0), help="Number of the first sample."),
    click.option("--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help=f"A setting of {', '.join(CHANGEABLE)}; may be repeated."),
    click.option(
        "--ema",
        metavar="X",
        type=click.FloatRange(0, 0.28, min_open=True, max_open=True),
        help="Relative width of the average, made from snapshots.",
    ),
    click.option(
        "--expert",
        "experts",
        multiple=True,
        metavar="RUN@LEVEL",
        help="Another model, which takes over below this noise level; may be repeated.",
    ),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …"),
    click.option(
        "--precision", default="auto", show_default=True, type=click.Choice(["auto", "fp32", "bf16", "fp16"]), help="What is computed in."
    ),
)


def wishing(n: int, several: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the argument ``model`` and the options that ``wish_of`` takes.

    Args:
        n: how many samples, unless more or fewer are asked for.
        several: the argument is ``models``, any number of them.
    """
    model = click.argument("model", default="latest", metavar="[RUN|MODEL|latest]")
    if several:
        model = click.argument("models", nargs=-1, metavar="[RUN|MODEL|CASCADE|latest]…")
    many = click.option("-n", default=n, metavar="N", show_default=True, type=click.IntRange(1), help="How many.")

    def given_options(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((model, many, *_OPTIONS)):
            function = option(function)
        return function

    return given_options


def wish_of(
    ctx: click.Context,
    n: int,
    conds: tuple[str, ...],
    seed: int,
    start: int,
    sets: tuple[str, ...],
    ema: float | None,
    experts: tuple[str, ...],
    device: str,
    precision: str,
) -> Wish:
    """The wish that a command line makes."""
    from .experts import parsed_experts

    cond, others = parse_conditions(conds), parsed_experts(experts)
    return Wish(n, seed, start, device, precision, ema, cond, given(ctx), sets, experts=others)


def wish_flags(ctx: click.Context, name: str, taken: set[str]) -> list[Flag]:
    """The generated flags of a command that samples from a model: how, and the own ones of the modality of that name.

    Args:
        taken: flags that exist already; grows.
    """
    from ..settings import GuidanceOptions, SampleOptions

    made = flags_of(SampleOptions, "sample", "Sampling", values={}, taken=taken)
    made.append(Flag(["sampler__use", "--sampler"], "sampler.use", "Sampling", metavar="NAME", help="the solver; difftool list samplers"))
    text = GuidanceOptions.model_fields["scale"].description
    made.append(Flag(["guidance__scale", "--guidance"], "guidance.scale", "Sampling", metavar="X", help=text))
    taken |= {"sampler", "guidance"}
    parts = registry(ctx)
    if name in parts.names("modality"):
        made += flags_of(request_model(parts, name), REQUEST, f"{name.capitalize()}", taken=taken, prefix=name)
    return made


def request_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``sample``."""
    from ..options import NoOptions

    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.request)) if spec.request else NoOptions


def peeked_modality(args: list[str]) -> str:
    """The modality of the first word that is a model or a run; else of the latest run. A word may also be a flag's value, and any file."""
    words = [arg for arg in args if not arg.startswith("-")]
    for word in [*words, "latest"]:
        try:
            if found := modality_of(_peeked_config(word)):
                return found
        except DifftoolError:
            continue
    return ""


def _peeked_config(word: str) -> dict[str, Any]:
    """The configuration of a model or run, or of a cascade's first stage, as it is written."""
    from ..engine.folder import CASCADE, find_run, is_cascade

    if Path(word).is_file() or not is_cascade(folder := find_run(word)):
        return plain_config(model_path(word))
    try:
        first = tomllib.loads((folder / CASCADE).read_text(encoding="utf-8"))["stage"][0]
    except (OSError, ValueError, KeyError, IndexError):
        return {}  # it is read again, and its faults told, when it is sampled from
    return plain_config(Path(first["run"])) if "run" in first else first


def modality_of(config: Mapping[str, Any]) -> str:
    """The modality's name in a model's plain configuration."""
    return str(config.get("modality", {}).get("use", ""))


def model_path(text: str) -> Path:
    """The model file that a word of the command line means. Raises UsageError."""
    path = Path(text)
    if path.is_file():
        return path
    from ..engine.folder import RunFolder, find_run

    folder = RunFolder.open(find_run(text))
    if not folder.model_path.is_file():
        raise UsageError(
            f"{folder.path} has no model yet: it has not come to its first checkpoint. Go on with: {command('resume', folder.path)}"
        )
    return folder.model_path


def plain_config(path: Path) -> dict[str, Any]:
    """The configuration in a model file's header, read without torch; empty when the file is not one of ours."""
    found = plain_about(path).get("config")
    return found if isinstance(found, dict) else {}


def plain_about(path: Path) -> dict[str, Any]:
    """What a model file's header says of the model, read without torch; empty when the file is not one of ours."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 100_000_000 else {}
        return json.loads(header["__metadata__"]["about"])
    except (OSError, ValueError, KeyError, TypeError, MemoryError):
        return {}


def refines(path: Path) -> bool:
    """Whether a model is a later stage of a cascade, which makes nothing by itself."""
    from ..config import NONE

    return plain_config(path).get("bridge", {}).get("use", NONE) != NONE


def parse_conditions(items: tuple[str, ...]) -> dict[str, list[str]]:
    """``class=A,B`` -> {"class": ["A", "B"]}; a value that holds a comma stands in double quotes, as in a CSV file."""
    found: dict[str, list[str]] = {}
    for item in items:
        name, equals, values = item.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise UsageError(f"--cond {item}: is not of the form name=value, such as class=none")
        if name in found:
            raise UsageError(f"--cond {name} is given twice. Several values go in one: --cond {name}=A,B")
        found[name.strip()] = [value.strip() for value in next(csv.reader([values], skipinitialspace=True), [""])]
    return found


def granted(path: Path, parts: Registry, wish: Wish) -> Granted:
    """The model in a file, built, and the request that the wish makes of it."""
    before = plain_config(path)
    config, shape = settled(before, path, parts, wish) if before else (None, None)
    from ..assemble import load_stage
    from .experts import loaded_experts, require_experts

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
    layer = flag_layer([flag for flag in wish.flags if flag[1].partition(".")[0] in CHANGEABLE], wish.sets)
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
        labels = [name for name in stage.denoiser.conditioners if stage.description.conditions[name].kind == "label"]
        cond |= {name: ["all"] for name in labels if name not in cond}
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
        **({"rounds": config.sample.rounds} if config.sample.rounds > 1 else {}),
        "guidance": config.guidance.scale,
        **({"level": wish.level} if len(wish.low) else {}),
        **({"experts": ", ".join(f"{other}@{below:g}" for below, other in wish.experts)} if wish.experts else {}),
    }
