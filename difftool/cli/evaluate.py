"""``difftool evaluate``: how good samples are, in the numbers of the modality's metrics, beside those of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, DataError, PluginError, UsageError
from .against import Against, Drawn, drawn_from, source_against
from .chain import Ask, Chain, chain_of
from .console import out, out_json, say, table
from .flags import Flag, Sectioned, flags_of, registry
from .made import Made, made_by, refining
from .progress import counted
from .signals import terminate_at_once
from .wish import Wish, own_table, peeked_modality, wish_flags, wish_of, wishing

if TYPE_CHECKING:
    from ..config import Part
    from ..description import Description
    from ..engine.evaluate import Measured
    from ..metric import Metric
    from ..modality import Modality
    from ..plugin.registry import Registry

SAMPLES = 256
"""Samples that are made and measured, where nothing is said: shares come to within about three hundredths."""

EPILOG = (
    "Sampling is as in difftool sample, with the same flags. The flags of a modality and of its metrics are shown when a model of it is "
    "named, or is the latest: difftool evaluate RUN --help."
)


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
@wishing(SAMPLES, several=True)
@click.option("--until", metavar="STAGE", help="Of a cascade, measure this stage's samples.")
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
    ctx: click.Context,
    models: tuple[str, ...],
    until: str | None,
    samples: Path | None,
    against: Path | None,
    most: int,
    metrics: str | None,
    as_json: bool,
    **wishes: Any,
) -> None:
    """Measure samples of a model: a run, or a model file. The same metrics of the data itself stand beside them.

    Of a cascade, or of several models, the last one's samples are measured, each of which refines what the one before it made. A stage
    that refines, alone, is given a part of the data, brought down as in its training.
    """
    wish, parts = wish_of(ctx, **wishes), registry(ctx)
    if samples:
        _refuse_sampling(wish)
    chain = chain_of(Ask(models, until, handing=True), wish, parts)
    chosen = chosen_metrics(parts, chain.links[-1].met.config.modality.use, metrics, wish)
    terminate_at_once()
    found = evaluate_chain(chain, parts, wish.seed, chosen, samples, Against(against, most))
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


def chosen_metrics(parts: Registry, modality: str, only: str | None, wish: Wish) -> dict[str, Part]:
    """The metrics of a modality to measure by, with their options; all faults in those at once.

    Args:
        only: names, with commas between them; None for all that the modality has.
    """
    from ..config import Part

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


def evaluate_chain(
    chain: Chain, parts: Registry, seed: int, metrics: Mapping[str, Part], folder: Path | None, against: Against
) -> dict[str, Any]:
    """Samples of the last of some stages, or the files in ``folder``, and the data of that stage, measured.

    Returns:
        what was measured, and ``rows``, each with ``metric``, ``name``, ``samples`` and ``data``: numbers, or None.
    """
    from ..assemble import make_modality
    from ..engine.evaluate import compared, held_out

    last = chain.links[-1]
    built, missing = _built(metrics, parts, last.met.description)
    apart = folder is None and chain.links[0].bridge is not None
    read = _read(make_modality(last.met.config, parts), folder, seed) if folder else None
    data = _data(chain, parts, against, seed, needed=apart)  # before a sample is drawn, which takes longer than to find no data
    made = read or made_by(refining(chain, data) if apart else chain, parts)
    found = list(counted(compared(built, made.examples, data.examples, apart), len(built), "measuring"))
    missing |= {one.metric: one.missing for one in found if one.missing}
    if rows := [*(row for one in found for row in _rows(one)), *_consistency(made, chain)]:
        samples = {"count": len(made.examples), **made.info, **({"degraded": data.source} if apart else {})}
        measured = held_out(made.examples, data.examples)
        return {
            "samples": samples,
            "data": {"count": len(data.examples), "source": data.source, "measured": measured},
            "rows": rows,
            "missing": missing,
        }
    raise UsageError("\n".join(["Nothing could be measured:", *missing.values()]))


def _consistency(made: Made, chain: Chain) -> list[dict[str, Any]]:
    """How well samples that refine something keep to it."""
    from ..engine.consistency import consistency

    bridge = chain.links[-1].bridge
    if bridge is None or not len(made.low):
        return []
    return [{"metric": "consistency", "name": "psnr_db", "samples": _finite(consistency(bridge, made.examples, made.low)), "data": None}]


def _built(metrics: Mapping[str, Part], parts: Registry, description: Description) -> tuple[dict[str, Metric], dict[str, str]]:
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


def _read(modality: Modality, folder: Path, seed: int) -> Made:
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
    return Made(list(as_trained(modality, read, seed)), {"folder": str(folder), "skipped": len(bad)})


def _data(chain: Chain, parts: Registry, against: Against, seed: int, needed: bool) -> Drawn:
    """Data of the last stage. Training data that is gone is said, and none are taken, unless they are what is refined."""
    config = chain.links[-1].met.config
    nothing = Drawn(source_against(config, against)[1])
    try:
        data = drawn_from(config, parts, against, seed) if against.most else nothing
    except DataError as error:
        if against.path or needed:
            raise
        say(f"Nothing to compare with, so what compares is left out: {error} Other data is named with --against.")
        return nothing
    if needed and len(data.examples) < 2:
        raise UsageError(
            f"{chain.links[0].name} refines what an earlier stage makes; alone it refines one half of some data, to be measured against the "
            f"other, and there are {len(data.examples)} examples. Give it more, with --data or --against, or name the earlier stage before it."
        )
    return data


def _tell(found: dict[str, Any]) -> None:
    """The table on stdout, and what its columns are on stderr."""
    samples, data = found["samples"], found["data"]
    made = f"in {samples['folder']}" if "folder" in samples else "of {model} ({sampler}, {steps} steps, seed {seed})".format(**samples)
    others = data["count"] - data["measured"]
    of = f"{data['count']:,} of {data['source']}"
    if "degraded" in samples:
        made, of = f"{made}, refined from as many of {samples['degraded']}, degraded", f"{others:,} others"
    say(f"samples: {samples['count']:,} {made}" + (f", against {of}" if data["count"] else ""))
    if data["measured"]:
        say(f"data: {data['measured']:,} of {data['source']}, against {others:,} others")
    for name, reason in found["missing"].items():
        say(f"{name} is left out: {reason}")
    rows = [(row["metric"], row["name"], _cell(row["samples"]), _cell(row["data"])) for row in found["rows"]]
    out(table(rows, ("metric", "", "samples", "data")))


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
