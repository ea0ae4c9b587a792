"""``difftool evaluate``: how good samples are, in the numbers of the modality's metrics, beside
those of the data.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from ..figures import with_error
from ..plugin.registry import Registry
from ..report.table import write_table
from ..workflows.beside import chains_beside, with_others
from ..workflows.chain import chain_of
from ..workflows.chosen_metrics import chosen_metrics, metric_table
from ..workflows.drift import other_run
from ..workflows.evaluate import USUAL, evaluate_chain, refuse_sampling
from ..workflows.reconstructed import MADE
from ..workflows.reference import Reference
from ..workflows.scenario import read_scenario, run_scenario, table
from ..workflows.verdict import keep
from ..workflows.words import peeked_modality
from .console import out_json, out_level, out_table, say
from .flags import Flag, Sectioned, flags_of, registry
from .sampling_flags import flags_for_sampling, request_of, sampling_options
from .signals import terminate_at_once
from .terminal import Terminal

EPILOG = (
    "Sampling is as in difftool sample, with the same flags. The flags of a modality and of its "
    "metrics are shown when a model of it is named, or is the latest: difftool evaluate RUN "
    "--help."
)


MOST = 1_000_000
"""Samples beyond which nobody goes to show a difference."""


class Evaluate(Sectioned):
    """The flags of sampling, and those of the modality's metrics."""

    def flags(self, ctx: click.Context, args: list[str]) -> list[Flag]:
        parts, name = registry(ctx), peeked_modality(args)
        taken = {flag.lstrip("-") for param in self.params for flag in param.opts}
        made = flags_for_sampling(ctx, name, taken)
        for metric in parts.metrics(name) if name in parts.names("modality") else ():
            model = parts.options(parts.get("metric", metric))
            made += flags_of(
                model,
                metric_table(metric),
                f"{metric.capitalize()} (a metric)",
                taken=taken,
                prefix=metric,
            )
        return made


@click.command(cls=Evaluate, epilog=EPILOG)
@sampling_options(USUAL, several=True)
@click.option("--until", metavar="STAGE", help="Measure the samples of this stage of a cascade.")
@click.option(
    "--samples",
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True),
    help="Measure these files, such as those of difftool sample, instead of new samples.",
)
@click.option(
    "--against",
    metavar="RUN2|DATA",
    type=click.Path(path_type=Path),
    help="Another run, or data, to compare with, and to test with a p-value whether both are of one "
    "distribution. [default: the model's training data]",
)
@click.option(
    "--data",
    "most",
    default=5000,
    metavar="N",
    show_default=True,
    type=click.IntRange(0),
    help="Maximum number of examples of the data.",
)
@click.option(
    "--metrics", metavar="NAME,…", help="Only these metrics. [default: all metrics of the modality]"
)
@click.option(
    "--features",
    metavar="NETWORK",
    help="Measure in the features of this trained network: a folder, or a name that the kind of "
    "data knows. [default: a judge that is trained on the data]",
)
@click.option(
    "--beside",
    multiple=True,
    metavar="RUN[@STEPS,…]",
    help="Measure this model too, on the same seeds, in the same table, with each of these numbers "
    "of steps; may be repeated. The report draws quality against evaluations.",
)
@click.option(
    "--scenario",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measure every combination of the models, samplers, steps, guidances, conditions and seeds "
    "in a TOML file; one that was stopped goes on.",
)
@click.option(
    "--table",
    "tables",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the table of a scenario to a file that ends in .csv, .html or .tex; may be repeated.",
)
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
    features: str | None,
    beside: tuple[str, ...],
    scenario: Path | None,
    tables: tuple[Path, ...],
    as_json: bool,
    **sampling: Any,
) -> None:
    """Measure samples of a model, a run or a model file, and compare them with the data.

    For a cascade, or several models, the samples of the last one are measured. A single stage that
    refines gets degraded data as its input, as in its training. Of an autoencoder, reconstructions
    of the data are measured.
    """
    request, parts = request_of(ctx, **sampling), registry(ctx)
    if scenario:
        terminate_at_once()
        _tell_scenario(scenario, tables, as_json, parts)
        return
    if samples:
        refuse_sampling(request)
    request = replace(request, words=models, until=until, handing=True)
    chain = chain_of(request, parts, Terminal())
    others = chains_beside(beside, request, parts, Terminal())
    chosen = chosen_metrics(parts, chain.stages[-1].config.modality.use, metrics, request)
    terminate_at_once()
    other = other_run(against, chain, parts, Terminal())
    reference = Reference(None if other else against, most)
    found = evaluate_chain(
        chain, parts, Terminal(), request.seed, chosen, samples, reference, features, other
    )
    if others:
        found = with_others(
            found, chain, others, parts, Terminal(), request.seed, chosen, reference
        )
    report = keep(found, chain.stages[-1])
    if as_json:
        out_json(found)
    else:
        _tell(found)
        if report:
            say(f"The verdict and the table are in {report}")


def _tell_scenario(
    scenario: Path, tables: tuple[Path, ...], as_json: bool, parts: Registry
) -> None:
    """Measure the cells of a scenario, and show and write the table."""
    results = scenario.with_suffix(".results.jsonl")
    rows = list(run_scenario(read_scenario(scenario), results, parts, Terminal()))
    heads, lines = table(rows)
    for path in tables:
        write_table(heads, lines, path)
    if as_json:
        out_json(rows)
        return
    for row in rows:
        if "error" in row:
            say(f"{row['models']}, seed {row['seed']}, is left out: {row['error']}")
    out_table(lines, heads)


def _tell(found: dict[str, Any]) -> None:
    """The table on stdout, and what its columns are on stderr."""
    samples, data = found["samples"], found["data"]
    if "folder" in samples:
        made = f"in {samples['folder']}"
    elif MADE in samples:
        made = "reconstructed by {model}".format(**samples)
    else:
        made = "of {model} ({sampler}, {steps} steps, seed {seed})".format(**samples)
    others = data["count"] - data["measured"]
    of = f"{data['count']:,} of {data['source']}"
    if "degraded" in samples:
        made, of = (
            f"{made}, refined from as many of {samples['degraded']}, degraded",
            f"{others:,} others",
        )
    say(f"samples: {samples['count']:,} {made}" + (f", against {of}" if data["count"] else ""))
    if data["measured"]:
        say(f"data: {data['measured']:,} of {data['source']}, against {others:,} others")
    if found["judge"]:
        say(f"judge of the data: {_quality(found['judge'])}, on examples it was not trained on")
    for reason in dict.fromkeys(found["missing"].values()):
        names = [name for name, why in found["missing"].items() if why == reason]
        say(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} left out: {reason}")
    rows = [
        (
            row["metric"],
            row["name"],
            with_error(row["samples"], row["samples_error"]),
            *_beside(row, found),
            with_error(row["data"], row["data_error"]),
            _needed(row["needed"]),
        )
        for row in found["rows"]
    ]
    names = [f"{one['name']}@{one['samples']['steps']}" for one in found.get("beside", ())]
    out_table(rows, ("metric", "", "samples", *names, "data", "shown by"))
    if sheet := found.get("beside_sheet"):
        say(f"The first samples of each seed are side by side in {sheet}")
    for finding in found["verdict"]:
        out_level(finding["level"], f"{finding['fact']} {finding['fix']}".strip())


def _beside(row: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The same number of the other models."""
    key = (row["metric"], row["name"])
    tables = [
        {(r["metric"], r["name"]): r for r in other["rows"]} for other in found.get("beside", ())
    ]
    return [
        with_error(table[key]["samples"], table[key]["samples_error"]) if key in table else "-"
        for table in tables
    ]


def _needed(needed: int | None) -> str:
    """How many samples show a difference; those that there are, or more."""
    if needed is None:
        return "-"
    return f"{needed:,} samples" if needed <= MOST else "no number"


def _quality(quality: dict[str, float]) -> str:
    """What a judge sees right."""
    found = [f"{name} {value:.3g}" for name, value in quality.items() if name != "views"]
    return ", ".join([*found, f"finds {quality['views']:.0%} of views again"])
