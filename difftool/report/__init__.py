"""The report: one self-contained HTML file about a run, which can be read offline."""

from __future__ import annotations

import base64
import io
import json
import mimetypes
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..engine.folder import NEAREST, RunFolder
from ..figures import with_error
from ..files import contents, write_text
from ..plain import parse_json
from ..verdict import in_order, of_training
from ..verdict.run import facts_of


def write_report(folder: RunFolder) -> Path:
    """Write ``report.html`` from the run folder; figures and samples are embedded in the file."""
    import jinja2

    text = Path(__file__).with_name("report.html.j2").read_text(encoding="utf-8")
    page = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    rows = folder.metrics()
    evaluation = _evaluation(folder)
    rendered = page.render(
        name=folder.path.resolve().name,
        verdict=evaluation["verdict"] if evaluation else _verdict(folder),
        evaluation=evaluation,
        beside=evaluation.get("beside", []) if evaluation else [],
        beside_sheets=[_embedded(path) for path in folder.samples_path.glob("beside.*")]
        if evaluation and evaluation.get("beside")
        else [],
        number=with_error,
        nearest=[_embedded(path) for path in folder.samples_path.glob(f"{NEAREST}.*")]
        if evaluation
        else [],
        facts=_facts(folder, rows),
        curve=_loss_curve(rows) if len(rows) > 1 else "",
        previews=[{"title": path.stem, "data": _embedded(path)} for path in _previews(folder)],
        config=folder.config_path.read_text(encoding="utf-8", errors="backslashreplace"),
        environment=json.dumps(folder.environment().model_dump(), indent=1),
    )
    write_text(folder.report_path, rendered.encode("utf-8", "backslashreplace").decode())
    return folder.report_path


def _verdict(folder: RunFolder) -> list[dict[str, str]]:
    """What the training says, where no samples have been measured."""
    try:
        return [asdict(one) for one in in_order(of_training(facts_of(folder)))]
    except (OSError, ValueError, KeyError):  # the rest of the report still stands
        return []


def _evaluation(folder: RunFolder) -> dict[str, Any] | None:
    """The last result of ``difftool evaluate``, if it is younger than the model."""
    path = folder.evaluation_path
    try:
        if path.stat().st_mtime < folder.model_path.stat().st_mtime:
            return None
        found = parse_json(contents(path))
        return found if found["verdict"] is not None and found["rows"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _facts(folder: RunFolder, rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    description = folder.description()
    environment = folder.environment()
    facts = [
        (
            "data",
            f"{environment.data}: {description.count} examples of "
            f"{' x '.join(str(n or '…') for n in description.shape)}",
        ),
        (
            "conditions",
            ", ".join(f"{c.name} ({c.kind})" for c in description.conditions.values()) or "none",
        ),
        ("command", " ".join(environment.command)),
        ("started", environment.started),
    ]
    if rows:
        last = rows[-1]
        facts += [
            ("steps", str(last["step"])),
            ("last loss", f"{last['loss']:.4f}"),
            ("examples per second", f"{last['examples_per_second']:.1f}"),
        ]
    return facts


def _previews(folder: RunFolder) -> list[Path]:
    """The six newest previews, newest first."""
    return sorted(folder.samples_path.glob("preview-*"), reverse=True)[:6]


def _embedded(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _loss_curve(rows: list[dict[str, Any]]) -> str:
    """The loss and its running mean over the steps, as SVG."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    # The loss is None before the first update of the first player.
    rows = [row for row in rows if row["loss"] is not None]
    steps, losses = [row["step"] for row in rows], [row["loss"] for row in rows]
    figure = Figure(figsize=(7, 2.8), layout="constrained")
    axes = figure.add_subplot(
        xlabel="step", ylabel="loss", yscale="log" if min(losses) > 0 else "linear"
    )
    axes.plot(steps, losses, color="#9bb7d4", linewidth=1, label="logged")
    axes.plot(steps, _running_mean(losses), color="#1f4e79", linewidth=1.6, label="running mean")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    buffer = io.StringIO()
    FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": "difftool"})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), count=1, flags=re.S)


def _running_mean(values: list[float], share: float = 0.1) -> list[float]:
    """An exponential mean over about a tenth of the curve, corrected for the bias at its start."""
    total = weight = 0.0
    keep = 1 - 1 / max(1.0, share * len(values))
    means = []
    for value in values:
        total, weight = keep * total + value, keep * weight + 1
        means.append(total / weight)
    return means
