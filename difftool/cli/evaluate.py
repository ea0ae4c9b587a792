"""``difftool evaluate``: how good samples are, in the numbers of the modality's metrics, beside those of the data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, DataError, PluginError, UsageError
from .console import command, out, out_json, say, table
from .flags import Flag, Sectioned, flags_of, registry
from .progress import Counter, counted
from .signals import terminate_at_once
from .wish import Wish, granted, modality_of, model_path, own_table, peeked_modality, plain_config, refines, wish_flags, wish_of, wishing

if TYPE_CHECKING:
    import numpy as np

    from ..config import Config, Part
    from ..data.cache import Cache
    from ..description import Description
    from ..engine.evaluate import Measured
    from ..metric import Metric
    from ..modality import Modality
    from ..registry import Registry

SAMPLES = 256
"""Samples that are made and measured, where nothing is said: shares come to within about three hundredths."""

CHUNK = 64
"""Examples of the data that are cut at once."""

EPILOG = (
    "Sampling is as in difftool sample, with the same flags. The flags of a modality and of its metrics are shown when a model of it is "
    "named, or is the latest: difftool evaluate RUN --help."
)


@dataclass(frozen=True)
class Against:
    """What samples are compared with.

    Attributes:
        path: data of the user's; None for what the model was trained on.
        most: examples of it, at most.
    """

    path: Path | None = None
    most: int = 5000


class Evaluate(Sectioned):
    """The flags of sampling, and those of the modality's metrics."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts, name = registry(ctx), peeked_modality(args)
        taken = {flag.lstrip("-") for param in self.params for flag in param.opts}
        made = wish_flags(ctx, name, taken)
        for metric in parts.modality(name).metrics if name in parts.names("modality") else ():
            model = parts.options(parts.get("metric", metric))
            made += flags_of(model, _table(metric), f"{metric.capitalize()} (a metric)", taken=taken, prefix=metric)
        return made


def _table(metric: str) -> str:
    """The table of a metric's options, which is on the command line only."""
    return f"metric.{metric}"


@click.command(cls=Evaluate, epilog=EPILOG)
@wishing(SAMPLES)
@click.option(
    "--samples",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True),
    help="Measure these files, such as difftool sample wrote, in place of sampling.",
)
@click.option(
    "--against", metavar="DATA", type=click.Path(path_type=Path), help="Data to compare with. [default: the model's training data]"
)
@click.option("--data", "most", default=5000, metavar="N", show_default=True, type=click.IntRange(0), help="Examples of it, at most.")
@click.option("--metrics", metavar="NAME,…", help="Only these. [default: all of the modality's]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on stdout.")
@click.pass_context
def evaluate(
    ctx: click.Context, model: str, samples: Path | None, against: Path | None, most: int, metrics: str | None, as_json: bool, **wishes: Any
) -> None:
    """Measure samples of a model: a run, or a model file. The same metrics of the data itself stand beside them."""
    wish, parts, path = wish_of(ctx, **wishes), registry(ctx), model_path(model)
    if samples:
        _refuse_sampling(wish)
    elif refines(path):
        raise UsageError(
            f"{path} refines what an earlier stage makes, and evaluate makes none. Sample the whole cascade with -o DIR, and measure "
            f"that: {command('evaluate', path.parent, '--samples', 'DIR')}"
        )
    chosen = chosen_metrics(parts, path, metrics, wish)
    terminate_at_once()
    found = evaluate_model(path, parts, wish, chosen, samples, Against(against, most))
    if as_json:
        out_json(found)
    else:
        _tell(found)


def _refuse_sampling(wish: Wish) -> None:
    """Samples that exist are measured as they are; a setting that could change nothing is a mistake."""
    idle = [flag for flag, dotted, _ in wish.flags if not dotted.startswith("metric.")]
    idle += [flag for flag, given in (("-n", wish.n != SAMPLES), ("--start", wish.start), ("--ema", wish.ema)) if given]
    idle += [flag for flag, given in (("--cond", wish.cond), ("--set", wish.sets), ("--expert", wish.experts)) if given]
    idle += [flag for flag, asked in (("--device", wish.device), ("--precision", wish.precision)) if asked != "auto"]
    if idle:
        raise UsageError(
            f"--samples measures files that exist, and {', '.join(idle)} would change nothing in them: leave one or the other out."
        )


def chosen_metrics(parts: Registry, path: Path, only: str | None, wish: Wish) -> dict[str, Part]:
    """The metrics to measure by, with their options; all faults in those at once.

    Args:
        only: names, with commas between them; None for all that the modality has.
    """
    from ..config import Part

    modality = modality_of(plain_config(path))
    if not modality:
        raise UsageError(f"{path} does not say what it was made with, and cannot be evaluated.")
    able = parts.modality(modality).metrics
    if not able:
        raise UsageError(
            f"There are no metrics for {modality}, so its samples cannot be measured; look at them with difftool sample. "
            "A plugin can bring some: difftool list metrics shows what is installed."
        )
    names = [name.strip() for name in only.split(",")] if only else able
    if strange := [name for name in names if name not in able]:
        raise UsageError(f"{modality} has no metric {strange[0]!r}. It has: {', '.join(able)}.")
    made = {name: own_table(wish.flags, _table(name), parts.options(parts.get("metric", name)), name) for name in names}
    if faults := [fault for _, some in made.values() for fault in some]:
        raise ConfigError(faults)
    return {name: Part(name, options) for name, (options, _) in made.items() if options is not None}


def evaluate_model(
    path: Path, parts: Registry, wish: Wish, metrics: Mapping[str, Part], folder: Path | None, against: Against
) -> dict[str, Any]:
    """Samples of a model, or the files in ``folder``, and the data, measured.

    Returns:
        what was measured, and ``rows``, each with ``metric``, ``name``, ``samples`` and ``data``: numbers, or None.
    """
    from ..assemble import make_modality
    from ..config import config_from_dict
    from ..description import Description
    from ..engine.evaluate import compared, held_out
    from ..engine.weights import MODEL, read_about

    about = read_about(path, MODEL)
    config, description = config_from_dict(about["config"], str(path), parts), Description.from_json(about["description"])
    made, missing = _made(metrics, parts, description)
    drawn, info = _read(make_modality(config, parts), folder, wish.seed) if folder else _sampled(path, parts, wish)
    data, source = _data(config, parts, against, wish.seed)  # before a sample is drawn, which takes longer than to find no data
    samples = list(drawn)
    found = list(counted(compared(made, samples, data), len(made), "measuring"))
    missing |= {one.metric: one.missing for one in found if one.missing}
    if rows := [row for one in found for row in _rows(one)]:
        compared_with = {"count": len(data), "source": source, "measured": held_out(samples, data)}
        return {"samples": {"count": len(samples), **info}, "data": compared_with, "rows": rows, "missing": missing}
    raise UsageError("\n".join(["Nothing could be measured:", *missing.values()]))


def _made(metrics: Mapping[str, Part], parts: Registry, description: Description) -> tuple[dict[str, Metric], dict[str, str]]:
    """The metrics, and why those are missing that cannot be had. Raises PluginError where it is all of them."""
    from ..assemble import make_metric

    made, missing = dict[str, Any](), dict[str, str]()
    for name, part in metrics.items():
        try:
            made[name] = make_metric(part, parts, description)
        except PluginError as error:
            missing[name] = str(error)
    if not made:
        raise PluginError("\n".join(missing.values()))
    return made, missing


def _rows(one: Measured) -> list[dict[str, Any]]:
    return [
        {"metric": one.metric, "name": name, "samples": _finite(one.samples.get(name)), "data": _finite(one.data.get(name))}
        for name in dict.fromkeys([*one.samples, *one.data])
    ]


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def _sampled(path: Path, parts: Registry, wish: Wish) -> tuple[Iterable[np.ndarray], dict[str, Any]]:
    """Samples that are made as they are asked for, and their provenance; what cannot be made is refused at once."""
    from ..engine.generate import generate

    made = granted(path, parts, wish)
    drawn = generate(made.stage, made.request)
    return (one.example for one in counted(drawn, made.request.n, "sampling")), dict(made.info)


def _read(modality: Modality, folder: Path, seed: int) -> tuple[Iterable[np.ndarray], dict[str, Any]]:
    """The examples in a folder; what cannot be read is said, as no metric counts it."""
    from ..engine.evaluate import as_trained

    read, bad = list[Any](), list[str]()
    for item in modality.scan(folder):
        try:
            read.append([modality.read_sample(item)])
        except DataError as error:
            bad.append(str(error))
    if not read:
        raise DataError("\n".join([f"None of the {len(bad)} files in {folder} can be used, so there is nothing to measure.", *bad[:10]]))
    for text in bad[:10]:
        say(f"Not measured: {text}")
    return as_trained(modality, read, seed), {"folder": str(folder), "skipped": len(bad)}


def _data(config: Config, parts: Registry, against: Against, seed: int) -> tuple[list[np.ndarray], str]:
    """Examples to compare with, drawn at random, and where they are from. Training data that is gone is said, and none are taken."""
    from ..assemble import open_examples, source_of
    from ..engine.evaluate import as_trained

    if against.path:
        config = config.replace(data=config.data.model_copy(update={"path": str(against.path)}))
    source = source_of(config)
    if not against.most:
        return [], source
    try:
        _, modality, cache = open_examples(config, parts, progress=Counter())
    except DataError as error:
        if against.path:
            raise
        say(f"Nothing to compare with, so what compares is left out: {error} Other data is named with --against.")
        return [], source
    return list(as_trained(modality, _drawn(cache, against.most, seed), seed)), source


def _drawn(cache: Cache, most: int, seed: int) -> Iterator[np.ndarray | list[np.ndarray]]:
    """At most so many cached examples, at random, a few at a time."""
    from ..data.order import Order

    count = min(most, len(cache))
    order = Order(len(cache), seed)
    return (cache.gather(order.indices(at, min(CHUNK, count - at))) for at in range(0, count, CHUNK))


def _tell(found: dict[str, Any]) -> None:
    """The table on stdout, and what its columns are on stderr."""
    samples, data = found["samples"], found["data"]
    made = f"in {samples['folder']}" if "folder" in samples else "of {model} ({sampler}, {steps} steps, seed {seed})".format(**samples)
    say(f"samples: {samples['count']:,} {made}" + (f", against {data['count']:,} of {data['source']}" if data["count"] else ""))
    if data["measured"]:
        say(f"data: {data['measured']:,} of {data['source']}, against {data['count'] - data['measured']:,} others")
    for name, reason in found["missing"].items():
        say(f"{name} is left out: {reason}")
    rows = [(row["metric"], row["name"], _cell(row["samples"]), _cell(row["data"])) for row in found["rows"]]
    out(table(rows, ("metric", "", "samples", "data")))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
