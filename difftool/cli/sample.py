"""``difftool sample``."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import ConfigError, DifftoolError, Interrupted, RunExistsError, Terminated, UsageError
from ..files import unused
from .console import command, out, out_json, say
from .flags import Flag, Sectioned, flags_of, given, registry
from .progress import counted
from .signals import terminate_at_once

if TYPE_CHECKING:
    from ..config import Config
    from ..engine.generate import Generated, SampleRequest
    from ..options import Options
    from ..registry import Registry
    from ..stage import Stage

CHANGEABLE = ("sampler", "schedule", "guidance", "sample")
"""The tables that a trained model may be sampled with differently."""

BUILT = ("sampler", "schedule")
"""Those of them that are parts, and built with the model."""

REQUEST = "request"
"""The table, on the command line only, of the modality's own wishes."""

SHEET = 64
"""Samples on a preview sheet."""


@dataclass(frozen=True)
class Wish:
    """What is asked of a model.

    Attributes:
        flags, sets: settings that replace the model's own.
        every_label: all labels in turn, where nothing else is said.
    """

    n: int = 16
    seed: int = 0
    start: int = 0
    folder: Path | None = None
    device: str = "auto"
    precision: str = "auto"
    ema: float | None = None
    cond: Mapping[str, list[str]] = field(default_factory=dict)
    flags: list[tuple[str, str, Any]] = field(default_factory=list)
    sets: tuple[str, ...] = ()
    every_label: bool = False
    on_sample: Any = None


EPILOG = "The flags of a modality are shown when a model of it is named, or is the latest: difftool sample RUN --help."


class Sample(Sectioned):
    """Flags of the modality that the model is of."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        from ..engine.options import GuidanceOptions, SampleOptions

        name = _peeked_modality(args)
        taken = {flag.lstrip("-") for param in self.params for flag in param.opts}
        made = flags_of(SampleOptions, "sample", "Sampling", values={}, taken=taken)
        made.append(
            Flag(["sampler__use", "--sampler"], "sampler.use", "Sampling", metavar="NAME", help="the solver; difftool list samplers")
        )
        text = GuidanceOptions.model_fields["scale"].description
        made.append(Flag(["guidance__scale", "--guidance"], "guidance.scale", "Sampling", metavar="X", help=text))
        parts = registry(ctx)
        if name in parts.names("modality"):
            taken |= {"sampler", "guidance"}
            made += flags_of(request_model(parts, name), REQUEST, f"{name.capitalize()}", taken=taken, prefix=name)
        return made


def request_model(parts: Registry, modality: str) -> type[Options]:
    """The model of the modality's own flags of ``sample``."""
    from ..options import NoOptions

    spec = parts.modality(modality)
    return parts.options(replace(spec, options=spec.request)) if spec.request else NoOptions


def _peeked_modality(args: list[str]) -> str:
    """The modality of the first word that is a model or a run; else of the latest run. A word may also be a flag's value, and any file."""
    words = [arg for arg in args if not arg.startswith("-")]
    for word in [*words, "latest"]:
        try:
            if found := plain_config(model_path(word)).get("modality", {}).get("use", ""):
                return found
        except DifftoolError:
            continue
    return ""


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
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 100_000_000 else {}
        return json.loads(header["__metadata__"]["about"])["config"]
    except (OSError, ValueError, KeyError, TypeError, MemoryError):
        return {}


@click.command(cls=Sample, epilog=EPILOG)
@click.argument("model", default="latest", metavar="[RUN|MODEL|latest]")
@click.option("-n", default=16, metavar="N", show_default=True, type=click.IntRange(1), help="How many.")
@click.option(
    "--cond",
    "conds",
    multiple=True,
    metavar="NAME=VALUE[,VALUE…]",
    help='A condition; several values are taken in turn; all, or none. A value with a comma: NAME="A,B".',
)
@click.option(
    "--seed",
    default=0,
    metavar="N",
    show_default=True,
    type=click.IntRange(0),
    help="Names the samples: number i of a seed is always the same.",
)
@click.option("--start", default=0, metavar="N", show_default=True, type=click.IntRange(0), help="Number of the first sample.")
@click.option(
    "-o",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder to write to. [default: a new one in samples/ beside the model]",
)
@click.option("--set", "sets", multiple=True, metavar="TABLE.KEY=VALUE", help=f"A setting of {', '.join(CHANGEABLE)}; may be repeated.")
@click.option(
    "--ema",
    metavar="X",
    type=click.FloatRange(0, 0.28, min_open=True, max_open=True),
    help="Relative width of the average, made from snapshots.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …")
@click.option(
    "--precision", default="auto", show_default=True, type=click.Choice(["auto", "fp32", "bf16", "fp16"]), help="What is computed in."
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def sample(
    ctx: click.Context,
    model: str,
    n: int,
    conds: tuple[str, ...],
    seed: int,
    start: int,
    folder: Path | None,
    sets: tuple[str, ...],
    ema: float | None,
    device: str,
    precision: str,
    as_json: bool,
) -> None:
    """Make new examples with a trained model: a run, or a model file. Paths are printed on stdout."""
    wish = Wish(
        n, seed, start, folder, device, precision, ema, parse_conditions(conds), given(ctx), sets, on_sample=None if as_json else out
    )
    terminate_at_once()
    made = sample_model(model_path(model), registry(ctx), wish)
    if as_json:
        out_json(made)
    else:
        say(f"{n} sample{'s' * (n > 1)} in {made['folder']}, together on {made['sheet']}")


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


def sample_model(path: Path, parts: Registry, wish: Wish) -> dict[str, Any]:
    """Sample into a folder that is new or empty; returns what was written."""
    before = plain_config(path)
    config, request = _settled(before, path, parts, wish) if before else (None, None)
    folder = wish.folder or _numbered(path.parent / "samples")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunExistsError(f"{folder} already holds something; nothing in it was changed. Choose another -o.")
    from ..assemble import load_stage

    overrides = {name: config.to_dict()[name] for name in BUILT if config.to_dict()[name] != before[name]} if config else {}
    stage = load_stage(path, parts, device=wish.device, precision=wish.precision, ema=wish.ema, overrides=overrides)
    if config is None or request is None:
        raise UsageError(f"{path} does not say what it was made with, and cannot be sampled from.")
    return _written(stage, _request(stage, config, request, wish), folder, path, config, wish)


def _settled(before: dict[str, Any], path: Path, parts: Registry, wish: Wish) -> tuple[Config, Options]:
    """The model's configuration with the wishes laid over it, and the modality's own wishes; all faults at once, before torch."""
    from ..config import dict_layer, flag_layer, resolve
    from ..config.faults import validate

    own = [(flag, dotted.partition(".")[2], value) for flag, dotted, value in wish.flags if dotted.startswith(f"{REQUEST}.")]
    layer = flag_layer([flag for flag in wish.flags if not flag[1].startswith(f"{REQUEST}.")], wish.sets)
    faults = [_fixed(layer.where((name,)), name) for name in layer.data if name not in CHANGEABLE]
    flags = {key: flag for flag, key, _ in own}
    values = {key: value for _, key, value in own}
    modality = str(before.get("modality", {}).get("use", ""))
    request, more = validate(request_model(parts, modality), _parsed(values), values, lambda key: flags.get(key, REQUEST), modality)
    try:
        config = resolve(None, [dict_layer(before, str(path)), layer], parts)
    except ConfigError as error:
        raise ConfigError([*faults, *more, *error.faults]) from None
    if faults or more or request is None:
        raise ConfigError([*faults, *more])
    return config, request


def _parsed(values: Mapping[str, Any]) -> dict[str, Any]:
    from ..config.layers import parse_value

    return {key: parse_value(value) if isinstance(value, str) else value for key, value in values.items()}


def _fixed(origin: str, name: str) -> str:
    return f"{origin}: [{name}] was settled when the model was trained; sampling can change {', '.join(CHANGEABLE)}"


def _numbered(root: Path) -> Path:
    """The first of root/1, root/2, … that is free."""
    number = 1
    while (root / str(number)).exists():
        number += 1
    return root / str(number)


def _request(stage: Stage, config: Config, shape: Options, wish: Wish) -> SampleRequest:
    from ..engine.generate import SampleRequest

    cond = dict(wish.cond)
    if wish.every_label:
        labels = [name for name in stage.denoiser.conditioners if stage.description.conditions[name].kind == "label"]
        cond |= {name: ["all"] for name in labels if name not in cond}
    options = config.sample
    return SampleRequest(wish.n, options.steps, options.batch, wish.seed, wish.start, config.guidance, cond, shape)


def _written(stage: Stage, request: SampleRequest, folder: Path, path: Path, config: Config, wish: Wish) -> dict[str, Any]:
    """Draw the samples and write each as it is done: files, a table of their conditions, and a sheet of the first ones."""
    from ..engine.generate import generate

    info = {**_provenance(path, config, wish), **request.shape.model_dump(mode="json", exclude_defaults=True)}
    rows: list[dict[str, Any]] = []
    shown: list[Generated] = []
    drawn = generate(stage, request)
    try:
        for one in counted(drawn, request.n, "sampling"):
            folder.mkdir(parents=True, exist_ok=True)  # not before: a request may be refused when it is first looked at
            stem = folder / f"{one.index:06d}{_label(one.cond)}"
            file = stage.modality.write(one.example, stem, {**info, "index": one.index, **_known(one.cond)}, request.shape)
            rows.append({"path": str(file), "index": one.index, "cond": dict(one.cond)})
            shown += [one] if len(shown) < SHEET else []
            if wish.on_sample:
                wish.on_sample(str(file))
    except (KeyboardInterrupt, Terminated) as stopped:
        kind = Terminated if isinstance(stopped, Terminated) else Interrupted
        rest = f"The others: --start {request.start + len(rows)} -n {request.n - len(rows)}, into another folder."
        raise kind(f"Stopped: {len(rows)} of {request.n} samples are in {folder}. {rest}") from None
    finally:
        _write_table(folder, rows)
    stem = unused(folder.with_name(f"{folder.name}-sheet"), _taken)
    sheet = stage.modality.preview([one.example for one in shown], stem, [one.title for one in shown])
    return {"folder": str(folder), "sheet": str(sheet), "samples": rows}


def _taken(stem: Path) -> bool:
    return any(stem.parent.glob(f"{stem.name}.*"))


def _provenance(path: Path, config: Config, wish: Wish) -> dict[str, Any]:
    return {
        "difftool": __version__,
        "model": str(path),
        "seed": wish.seed,
        "sampler": config.sampler.use,
        "steps": config.sample.steps,
        "guidance": config.guidance.scale,
    }


def _known(cond: Mapping[str, str | float | None]) -> dict[str, str | float]:
    return {name: value for name, value in cond.items() if value is not None}


def _label(cond: Mapping[str, str | float | None]) -> str:
    """What goes into a file's name: ``-A`` for the label A, with nothing that a file system minds or that looks like a suffix."""
    words = [f"{value:g}" if isinstance(value, float) else value for value in cond.values() if value is not None]
    return "".join(f"-{re.sub(r'[^0-9A-Za-z_+-]+', '_', word)[:40]}" for word in words)


def _write_table(folder: Path, rows: list[dict[str, Any]]) -> None:
    """``metadata.csv``, from which the samples can be read again with their conditions."""
    names = list(rows[0]["cond"]) if rows else []
    if not names:
        return
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", *names])
        writer.writerows(_line(row, names) for row in rows)


def _line(row: dict[str, Any], names: list[str]) -> Iterator[str]:
    yield Path(row["path"]).name
    yield from ("" if row["cond"][name] is None else str(row["cond"][name]) for name in names)
