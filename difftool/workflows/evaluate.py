"""The metrics of samples, and the same metrics of the data itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..errors import DataError, UsageError
from ..options import NoOptions
from .chain import Chain
from .chain_stage import ChainStage, Conditions
from .chosen_metrics import built_metrics
from .drift import Other, drift, said
from .inputs import conditions_of
from .judged import MeasuredFeatures, measured_features
from .lacking import refuse_without_noise
from .measured_model import measured_models
from .reconstructed import is_autoencoder, reconstructed, reconstruction_rows
from .reference import Reference, ReferenceData, reference_data, source_against
from .reporter import Reporter
from .request import METRIC, Request
from .sample import Samples, draw, refining
from .verdict import keep_nearest, keep_samples, verdict

if TYPE_CHECKING:
    from ..engine.evaluate import Measured
    from ..modality import Modality
    from ..plugin.registry import Registry


FEW = 64
"""Number of samples below which every number is a matter of chance."""

USUAL = 256
"""Samples that are made and measured, where nothing is said: shares come to within about three
hundredths.
"""


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
    _require_measurable(last, metrics, parts)
    from ..assemble import make_modality  # torch

    measures, missing = built_metrics(metrics, parts, last.model.description)
    modality = make_modality(last.config, parts)
    read = _read(modality, last, folder, seed, reporter) if folder else None
    rebuilds = read is None and is_autoencoder(last.config, parts)
    apart = rebuilds or (read is None and chain.stages[0].bridge is not None)
    # before sampling, which takes long: there may be no data
    data = _data(chain, parts, reporter, against, seed, needed=apart)
    if rebuilds:
        samples = reconstructed(last, data, parts, reporter)
    else:
        samples = read or draw(refining(chain, data) if apart else chain, parts, reporter)
    _warn_of_few(samples, reporter)

    found, features = _measured(chain, parts, measures, samples, data, reporter, network, apart)
    missing |= {one.metric: one.missing for one in found if one.missing}
    rows = [
        *(row for one in found for row in rows_of(one, len(samples.examples))),
        *(reconstruction_rows(samples) if rebuilds else ()),
        *_consistency(samples, chain),
    ]
    if not rows:
        raise UsageError(
            "\n".join(["Nothing could be measured:", *dict.fromkeys(missing.values())])
        )
    result: dict[str, Any] = {
        **_described(samples, data, degraded=apart and not rebuilds),
        "judge": features.quality,
        "rows": rows,
        "missing": missing,
    }
    if read is None and keeping:
        if sheet := keep_nearest(features.nearest, modality, last):
            result["nearest"] = sheet
        keep_samples(samples, last)
    findings = verdict(result, last)
    if against.path and not other:
        other = Other(str(against.path), examples=data.examples)
    if other:
        most = against.most or Reference.most
        result["drift"] = drift(chain, samples, other, parts, seed, most, reporter)
        findings = [said(result["drift"]), *findings]
    return {"verdict": findings, **result}


def _require_measurable(last: ChainStage, metrics: Mapping[str, Part], parts: Registry) -> None:
    """Raise UsageError for a stage whose samples no metric measures, or not one of those asked."""
    if parts.load(parts.get("representation", last.config.representation.use)).makes_vectors:
        raise UsageError(
            "This stage makes embeddings, which metrics do not measure. Evaluate the whole cascade: "
            "its samples show how good the embeddings are."
        )
    if "likelihood" in metrics:
        fix = "Choose other --metrics, such as frechet."
        refuse_without_noise([last.config], "the metric likelihood", fix, parts)


def _warn_of_few(samples: Samples, reporter: Reporter) -> None:
    count = len(samples.examples)
    if count < FEW:
        reporter.say(
            f"{count} samples are too few to tell a good model from a bad one: with other "
            f"samples the numbers may be quite different. Use at least {FEW}, better {USUAL}."
        )


def _measured(
    chain: Chain,
    parts: Registry,
    measures: Mapping[str, Any],
    samples: Samples,
    data: ReferenceData,
    reporter: Reporter,
    network: str | None,
    apart: bool,
) -> tuple[list[Measured], MeasuredFeatures]:
    """What the metrics of examples, of features and of models say, in this order.

    Args:
        apart: some of the data were the inputs of samples, and are not compared with them.
    """
    from ..engine.evaluate import compared, held_out  # torch

    examples = samples.examples
    of_examples = {name: one for name, one in measures.items() if _of_examples(one)}
    comparisons = compared(of_examples, examples, data.examples, apart)
    found = list(reporter.counted(comparisons, len(of_examples), "measuring"))
    features = MeasuredFeatures([])
    if of_features := {name: one for name, one in measures.items() if _of_features(one)}:
        refined = held_out(examples, data.examples) if apart else 0
        features = measured_features(
            chain, parts, of_features, samples, data, reporter, refined, network
        )
        found += features.found
    if of_models := {name: one for name, one in measures.items() if _of_model(one)}:
        found += measured_models(chain, parts, of_models, samples, data, reporter)
    return found, features


def _described(samples: Samples, data: ReferenceData, degraded: bool) -> dict[str, Any]:
    """``samples`` and ``data`` of a result: what was measured.

    Args:
        degraded: the samples refine a part of the data.
    """
    from ..engine.evaluate import held_out  # torch

    about = {"count": len(samples.examples), **samples.info}
    if samples.evaluations:
        about["evaluations"] = round(samples.evaluations)
    if degraded:
        about["degraded"] = data.source
    measured = held_out(samples.examples, data.examples)
    return {
        "samples": about,
        "data": {"count": len(data.examples), "source": data.source, "measured": measured},
    }


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
