"""The metrics of samples, and the same metrics of the data itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..errors import ConfigError, DataError, PluginError, UsageError
from ..options import NoOptions
from .chain import Chain
from .chain_stage import ChainStage, Conditions
from .drift import Other, drift, said
from .inputs import conditions_of
from .judged import MeasuredFeatures, measured_features
from .lacking import refuse_without_noise
from .measured_model import measured_models
from .reconstructed import is_autoencoder, reconstructed, reconstruction_rows
from .reference import Reference, ReferenceData, reference_data, source_against
from .reporter import Reporter
from .request import METRIC, Request, own_table
from .sample import Samples, draw, refining
from .verdict import keep_nearest, keep_samples, verdict

if TYPE_CHECKING:
    from ..description import Description
    from ..engine.evaluate import Measured
    from ..modality import Modality
    from ..plugin.registry import Registry


FEW = 64
"""Number of samples below which every number is a matter of chance."""

USUAL = 256
"""Samples that are made and measured, where nothing is said: shares come to within about three
hundredths.
"""


def metric_table(metric: str) -> str:
    """The table of a metric's options, which exists on the command line only."""
    return f"{METRIC}.{metric}"


def chosen_metrics(
    parts: Registry, modality: str, only: str | None, request: Request
) -> dict[str, Part]:
    """The metrics to measure, with their options; all faults in these at once.

    Args:
        only: names, separated by commas; None for all metrics of the modality.
    """
    able = parts.metrics(modality)
    names = [name.strip() for name in only.split(",")] if only else _usual(able, parts)
    if not names:
        raise UsageError(
            f"There are no metrics for {modality}, so its samples cannot be measured. Install a "
            "plugin with metrics; `difftool list metrics` shows the installed ones."
        )
    if strange := [name for name in names if name not in able]:
        raise UsageError(f"{modality} has no metric {strange[0]!r}. It has: {', '.join(able)}.")
    made = {
        name: own_table(
            request.flags, metric_table(name), parts.options(parts.get("metric", name)), name
        )
        for name in names
    }
    if faults := [fault for _, some in made.values() for fault in some]:
        raise ConfigError(faults)
    return {name: Part(name, options) for name, (options, _) in made.items() if options is not None}


def _usual(able: Sequence[str], parts: Registry) -> list[str]:
    """The metrics that are measured where none is named."""
    specs = {name: parts.get("metric", name) for name in able}
    return [name for name, spec in specs.items() if not getattr(spec, "on_request", False)]


def evaluate_chain(
    chain: Chain,
    parts: Registry,
    reporter: Reporter,
    seed: int,
    metrics: Mapping[str, Part],
    folder: Path | None,
    against: Reference,
    network: str | None = None,
    other: Other | None = None,
    keeping: bool = True,
) -> dict[str, Any]:
    """Measure samples of the last stage, or the files in ``folder``, and the data of that stage.

    Args:
        network: path or name of a trained network for the metrics of features; None for a judge.
        keeping: whether samples and their neighbours are written into the run.
        other: another run, whose samples are tested against these; files in ``against`` are, too.

    Returns:
        ``verdict``, its findings, the worst first; ``samples`` and ``data``, which describe what was measured; ``rows``, each with ``metric``,
        ``name``, ``samples`` and ``data`` (numbers or None) with ``samples_error`` and
        ``data_error``, their standard errors, and ``needed``, the number of samples that show a
        difference; ``judge``, its quality on data that it has not seen; ``nearest``, a file that shows
        samples beside their neighbours; ``drift``, the test against another set; and ``missing``, the reasons why metrics are left
        out.
    """
    last = chain.stages[-1]
    if parts.load(parts.get("representation", last.config.representation.use)).makes_vectors:
        raise UsageError(
            "This stage makes embeddings, which metrics do not measure. Evaluate the whole cascade: "
            "its samples show how good the embeddings are."
        )
    if "likelihood" in metrics:
        fix = "Choose other --metrics, such as frechet."
        refuse_without_noise([last.config], "the metric likelihood", fix, parts)
    from ..assemble import make_modality  # torch
    from ..engine.evaluate import compared, held_out

    measures, missing = built(metrics, parts, last.model.description)
    rebuilds = folder is None and is_autoencoder(last.config, parts)
    apart = rebuilds or (folder is None and chain.stages[0].bridge is not None)
    modality = make_modality(last.config, parts)
    read = _read(modality, last, folder, seed, reporter) if folder else None
    # before sampling, which takes long: there may be no data
    data = _data(chain, parts, reporter, against, seed, needed=apart)
    if rebuilds:
        measured_samples = reconstructed(last, data, parts, reporter)
    else:
        measured_samples = read or draw(refining(chain, data) if apart else chain, parts, reporter)
    examples = measured_samples.examples
    if len(examples) < FEW:
        reporter.say(
            f"{len(examples)} samples are too few to tell a good model from a bad one: with other "
            f"samples the numbers may be quite different. Use at least {FEW}, better {USUAL}."
        )
    of_examples = {name: one for name, one in measures.items() if _of_examples(one)}
    comparisons = compared(of_examples, examples, data.examples, apart)
    found = list(reporter.counted(comparisons, len(of_examples), "measuring"))
    features = MeasuredFeatures([])
    if of_features := {name: one for name, one in measures.items() if _of_features(one)}:
        refined = held_out(examples, data.examples) if apart else 0
        features = measured_features(
            chain, parts, of_features, measured_samples, data, reporter, refined, network
        )
        found += features.found
    if of_models := {name: one for name, one in measures.items() if _of_model(one)}:
        found += measured_models(chain, parts, of_models, measured_samples, data, reporter)
    missing |= {one.metric: one.missing for one in found if one.missing}
    if rows := [
        *(row for one in found for row in rows_of(one, len(examples))),
        *(reconstruction_rows(measured_samples) if rebuilds else ()),
        *_consistency(measured_samples, chain),
    ]:
        degraded = {"degraded": data.source} if apart and not rebuilds else {}
        cost = measured_samples.evaluations
        counted = {"evaluations": round(cost)} if cost else {}
        samples = {"count": len(examples), **measured_samples.info, **counted, **degraded}
        measured = held_out(examples, data.examples)
        result: dict[str, Any] = {
            "samples": samples,
            "data": {"count": len(data.examples), "source": data.source, "measured": measured},
            "judge": features.quality,
            "rows": rows,
            "missing": missing,
        }
        if folder is None and keeping:
            if sheet := keep_nearest(features.nearest, modality, last):
                result["nearest"] = sheet
            keep_samples(measured_samples, last)
        found_verdict = verdict(result, last)
        if against.path and not other:
            other = Other(str(against.path), examples=data.examples)
        if other:
            most = against.most or Reference.most
            result["drift"] = drift(chain, measured_samples, other, parts, seed, most, reporter)
            found_verdict = [said(result["drift"]), *found_verdict]
        return {"verdict": found_verdict, **result}
    reasons = dict.fromkeys(missing.values())
    raise UsageError("\n".join(["Nothing could be measured:", *reasons]))


def _of_examples(metric: object) -> bool:
    return not _of_model(metric) and not _of_features(metric)


def _of_features(metric: object) -> bool:
    from ..metric import FeatureMetric  # torch

    return isinstance(metric, FeatureMetric)


def _of_model(metric: object) -> bool:
    from ..metric import ModelMetric  # torch

    return isinstance(metric, ModelMetric)


def _consistency(samples: Samples, chain: Chain) -> list[dict[str, Any]]:
    """How well refined samples agree with their inputs: PSNR in dB after degrading them again."""
    from ..engine.consistency import consistency  # torch

    bridge = chain.stages[-1].bridge
    if bridge is None or not len(samples.low):
        return []
    psnr = _finite(consistency(bridge, samples.examples, samples.low))
    return [
        {
            "metric": "consistency",
            "name": "psnr_db",
            "samples": psnr,
            "samples_error": None,
            "data": None,
            "data_error": None,
            "needed": None,
        }
    ]


def built(
    metrics: Mapping[str, Part], parts: Registry, description: Description
) -> tuple[dict[str, Any], dict[str, str]]:
    """The metrics, and the reasons why others cannot be built. Raises PluginError if none can."""
    from ..assemble import make_metric  # torch

    made, missing = dict[str, Any](), dict[str, str]()
    for name, part in metrics.items():
        try:
            made[name] = make_metric(part, parts, description)
        except PluginError as error:
            missing[name] = str(error)
    if not made:
        raise PluginError("\n".join(missing.values()))
    return made, missing


def rows_of(one: Measured, count: int) -> list[dict[str, Any]]:
    from ..engine.jackknife import needed  # torch

    nan = math.nan
    return [
        {
            "metric": one.metric,
            "name": name,
            "samples": _finite(one.samples.get(name)),
            "samples_error": one.sample_errors.get(name),
            "data": _finite(one.data.get(name)),
            "data_error": one.data_errors.get(name),
            "needed": needed(
                count,
                one.samples.get(name, nan),
                one.sample_errors.get(name, nan),
                one.data.get(name, nan),
                one.data_errors.get(name, nan),
            ),
        }
        for name in dict.fromkeys([*one.samples, *one.data])
    ]


def _finite(value: float | None) -> float | None:
    """None for NaN and infinity, which JSON does not have."""
    return None if value is None or not math.isfinite(value) else float(value)


def _read(
    modality: Modality, stage: ChainStage, folder: Path, seed: int, reporter: Reporter
) -> Samples:
    """The examples in a folder, with the conditions that their folders or a table say.

    Files that cannot be read are named, because no metric counts them.
    """
    from ..data.bound import bounded  # numpy
    from ..engine.evaluate import as_trained  # torch
    from ..engine.generate import Generated

    read, conditions, bad = list[Any](), list[Conditions](), list[str]()
    for item in modality.scan(folder):
        try:
            with bounded(item.path):
                read.append([modality.read_sample(item)])
            conditions.append(conditions_of(item, stage))
        except DataError as error:
            bad.append(str(error))
    if not read:
        raise DataError(
            "\n".join(
                [
                    f"None of the {len(bad)} files in {folder} can be read, so there is nothing "
                    "to measure.",
                    *bad[:10],
                ]
            )
        )
    for text in bad[:10]:
        reporter.say(f"Not measured: {text}")
    examples = as_trained(modality, read, seed)
    generated = [
        Generated(i, example, condition)
        for i, (example, condition) in enumerate(zip(examples, conditions, strict=True))
    ]
    return Samples(generated, modality, NoOptions(), {"folder": str(folder), "skipped": len(bad)})


def _data(
    chain: Chain, parts: Registry, reporter: Reporter, against: Reference, seed: int, needed: bool
) -> ReferenceData:
    """Data of the last stage. Missing training data is reported; it is an error only where it is
    needed as input.
    """
    config = chain.stages[-1].config
    nothing = ReferenceData(source_against(config, against)[1])
    try:
        data = reference_data(config, parts, against, seed, reporter) if against.most else nothing
    except DataError as error:
        if against.path or needed:
            raise
        reporter.say(
            f"The metrics that compare with data are left out: {error} Name other data with "
            "--against."
        )
        return nothing
    if needed and len(data.examples) < 2:
        raise UsageError(
            f"{chain.stages[0].name} refines the samples of an earlier stage. Without one, half "
            "of the data is refined and measured against the other half, but there are only "
            f"{len(data.examples)} examples. Use more with --data or --against, or name the "
            "earlier stage before it."
        )
    return data


def refuse_sampling(request: Request) -> None:
    """Raise UsageError for a request of samples where existing files are measured."""
    usual = Request(n=USUAL)
    idle = [flag for flag, dotted, _ in request.flags if not dotted.startswith(f"{METRIC}.")]
    idle += [
        flag
        for flag, name in (
            ("-n", "n"),
            ("--start", "start"),
            ("--ema", "ema"),
            ("--cond", "cond"),
            ("--set", "sets"),
            ("--expert", "experts"),
            ("--device", "device"),
            ("--precision", "precision"),
        )
        if getattr(request, name) != getattr(usual, name)
    ]
    if idle:
        raise UsageError(
            f"--samples measures existing files, so {', '.join(idle)} would have no effect. "
            "Remove one or the other."
        )
