"""How good samples are, in the numbers of the modality's metrics, beside those of the data."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..errors import ConfigError, DataError, PluginError, UsageError
from .chain import Chain
from .reference import Against, Drawn, drawn_from, source_against
from .reporter import Reporter
from .request import METRIC, Request, own_table
from .sample import draw, refining

if TYPE_CHECKING:
    import numpy as np

    from ..description import Description
    from ..engine.evaluate import Measured
    from ..metric import Metric
    from ..modality import Modality
    from ..plugin.registry import Registry


def metric_table(metric: str) -> str:
    """The table of a metric's options, which is on the command line only."""
    return f"{METRIC}.{metric}"


def chosen_metrics(parts: Registry, modality: str, only: str | None, request: Request) -> dict[str, Part]:
    """The metrics of a modality to measure by, with their options; all faults in those at once.

    Args:
        only: names, with commas between them; None for all that the modality has.
    """
    able = parts.metrics(modality)
    if not able:
        raise UsageError(
            f"There are no metrics for {modality}, so its samples cannot be measured; look at them with difftool sample. "
            "A plugin can bring some: difftool list metrics shows what is installed."
        )
    names = [name.strip() for name in only.split(",")] if only else able
    if strange := [name for name in names if name not in able]:
        raise UsageError(f"{modality} has no metric {strange[0]!r}. It has: {', '.join(able)}.")
    made = {name: own_table(request.flags, metric_table(name), parts.options(parts.get("metric", name)), name) for name in names}
    if faults := [fault for _, some in made.values() for fault in some]:
        raise ConfigError(faults)
    return {name: Part(name, options) for name, (options, _) in made.items() if options is not None}


def evaluate_chain(
    chain: Chain, parts: Registry, reporter: Reporter, seed: int, metrics: Mapping[str, Part], folder: Path | None, against: Against
) -> dict[str, Any]:
    """Samples of the last of some stages, or the files in ``folder``, and the data of that stage, measured.

    Returns:
        what was measured, and ``rows``, each with ``metric``, ``name``, ``samples`` and ``data``: numbers, or None.
    """
    from ..assemble import make_modality
    from ..engine.evaluate import compared, held_out

    last = chain.links[-1]
    built, missing = _built(metrics, parts, last.model.description)
    apart = folder is None and chain.links[0].bridge is not None
    read = _read(make_modality(last.config, parts), folder, seed, reporter) if folder else None
    data = _data(chain, parts, reporter, against, seed, needed=apart)  # before a sample is drawn, which takes longer than to find no data
    made = read or _made(refining(chain, data) if apart else chain, parts, reporter)
    found = list(reporter.counted(compared(built, made.examples, data.examples, apart), len(built), "measuring"))
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


@dataclass(frozen=True)
class Made:
    """What is measured.

    Attributes:
        info: where it comes from.
        low: what each example refines; empty where they refine nothing.
    """

    examples: Sequence[np.ndarray]
    info: Mapping[str, Any] = field(default_factory=dict)
    low: Sequence[np.ndarray] = ()


def _made(chain: Chain, parts: Registry, reporter: Reporter) -> Made:
    samples = draw(chain, parts, reporter)
    return Made(samples.examples, samples.info, samples.low)


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


def _read(modality: Modality, folder: Path, seed: int, reporter: Reporter) -> Made:
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
        reporter.say(f"Not measured: {text}")
    return Made(list(as_trained(modality, read, seed)), {"folder": str(folder), "skipped": len(bad)})


def _data(chain: Chain, parts: Registry, reporter: Reporter, against: Against, seed: int, needed: bool) -> Drawn:
    """Data of the last stage. Training data that is gone is said, and none are taken, unless they are what is refined."""
    config = chain.links[-1].config
    nothing = Drawn(source_against(config, against)[1])
    try:
        data = drawn_from(config, parts, against, seed, reporter) if against.most else nothing
    except DataError as error:
        if against.path or needed:
            raise
        reporter.say(f"Nothing to compare with, so what compares is left out: {error} Other data is named with --against.")
        return nothing
    if needed and len(data.examples) < 2:
        raise UsageError(
            f"{chain.links[0].name} refines what an earlier stage makes; alone it refines one half of some data, to be measured against the "
            f"other, and there are {len(data.examples)} examples. Give it more, with --data or --against, or name the earlier stage before it."
        )
    return data
