"""Curves of a run as SVG, which a report embeds."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

FAINT, STRONG, OTHER = "#9bb7d4", "#1f4e79", "#c2571a"
SIZE = (7, 2.8)
DISTANCES = ("frechet", "patches")
"""Metrics with a row ``distance``, that of the samples to the data, in the order of preference."""


def loss_curve(rows: Rows) -> str:
    """The loss and its running mean over the steps; empty for fewer than two rows."""
    # The loss is None before the first update of the first player.
    rows = [row for row in rows if row["loss"] is not None and math.isfinite(row["loss"])]
    if len(rows) < 2:
        return ""
    steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
    figure, axes = _figure("step", "loss")
    axes.set_yscale("log" if min(losses) > 0 else "linear")
    axes.plot(steps, losses, color=FAINT, linewidth=1, label="logged")
    axes.plot(steps, running_mean(losses), color=STRONG, linewidth=1.6, label="running mean")
    axes.legend(frameon=False)
    return _svg(figure)


def speed_curve(rows: Rows) -> str:
    """Examples per second and the learning rate over the steps; empty for fewer than two rows."""
    if len(rows) < 2:
        return ""
    steps = [row["step"] for row in rows]
    figure, axes = _figure("step", "examples per second")
    axes.plot(steps, [row["examples_per_second"] for row in rows], color=STRONG, linewidth=1.4)
    axes.set_ylim(bottom=0)
    other = axes.twinx()
    other.plot(steps, [row["lr"] for row in rows], color=OTHER, linewidth=1.2, linestyle="--")
    other.set_ylabel("learning rate (dashed)")
    return _svg(figure)


def memory_curve(rows: Rows) -> str:
    """Memory in use over the steps; empty where fewer than two rows say it."""
    rows = [row for row in rows if row.get("memory_bytes")]
    if len(rows) < 2:
        return ""
    figure, axes = _figure("step", "memory in use, GB")
    axes.plot(
        [row["step"] for row in rows],
        [row["memory_bytes"] / 1e9 for row in rows],
        color=STRONG,
        linewidth=1.4,
    )
    axes.set_ylim(bottom=0)
    return _svg(figure)


def levels_over_steps(rows: Rows) -> str:
    """The mean loss over all noise levels of held-out and training examples, for each kind of
    weights; empty for fewer than two rows.
    """
    rows = [row for row in rows if row["sigmas"]]
    if len(rows) < 2:
        return ""
    figure, axes = _figure("step", "loss, all levels")
    steps = [row["step"] for row in rows]
    for number, weights in enumerate(rows[-1]["held"]):
        for side, style in (("held", "-"), ("trained", ":")):
            means = [_mean(row[side].get(weights, ())) for row in rows]
            name = "held out" if side == "held" else "trained on"
            axes.plot(steps, means, style, color=f"C{number}", label=f"{weights}, {name}")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, ncols=2)
    return _svg(figure)


def levels_at_end(rows: Rows) -> str:
    """The loss at each noise level by the last measurement; empty without one."""
    rows = [row for row in rows if row["sigmas"]]
    if not rows:
        return ""
    row = rows[-1]
    figure, axes = _figure("noise level", f"loss at step {row['step']:,}")
    for number, weights in enumerate(row["held"]):
        for side, style in (("held", "o-"), ("trained", ":")):
            name = "held out" if side == "held" else "trained on"
            axes.plot(
                row["sigmas"], row[side][weights], style, color=f"C{number}", markersize=3,
                label=f"{weights}, {name}",
            )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=7, ncols=2)
    return _svg(figure)


def quality_curve(evaluation: Mapping[str, Any]) -> str:
    """The distance to the data against the evaluations of the network for each sample, of the
    model and of each other model beside it; empty for fewer than two points.
    """
    points = list(_points([evaluation, *evaluation.get("beside", ())]))
    if len(points) < 2:
        return ""
    figure, axes = _figure("evaluations of the network for a sample", "distance to the data")
    for name in dict.fromkeys(name for name, *_ in points):
        steps, values, errors = zip(*sorted(p[1:] for p in points if p[0] == name), strict=True)
        label = name.replace("$", r"\$")
        axes.errorbar(steps, values, errors, marker="o", markersize=4, capsize=3, label=label)
    axes.set_xscale("log", base=2)
    places = sorted({at for _, at, *_ in points})
    axes.set_xticks(places, [f"{at:g}" for at in places])
    axes.minorticks_off()
    axes.set_yscale("log" if min(value for _, _, value, _ in points) > 0 else "linear")
    axes.legend(frameon=False, fontsize=8)
    return _svg(figure)


def _points(models: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float, float, float]]:
    """The name, evaluations, distance and its error of each model that has them."""
    tables = [
        {row["metric"]: row for row in m["rows"] if row["name"] == "distance"} for m in models
    ]
    metric = next((name for name in DISTANCES if all(name in table for table in tables)), "")
    for model, table in zip(models, tables, strict=True):
        at, row = model["samples"].get("evaluations"), table.get(metric)
        if at and row and row["samples"] is not None:
            yield model.get("name", ""), at, row["samples"], row["samples_error"] or 0.0


def _mean(losses: Sequence[float]) -> float:
    return sum(losses) / len(losses) if losses else math.nan


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot(xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _svg(figure: Figure) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "difftool"})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.S)


def running_mean(values: list[float], share: float = 0.1) -> list[float]:
    """An exponential mean over about a tenth of the curve, corrected for the bias at its start."""
    total = weight = 0.0
    keep = 1 - 1 / max(1.0, share * len(values))
    means = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight)
    return means
