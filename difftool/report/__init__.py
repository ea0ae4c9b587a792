"""The report: one self-contained HTML file about a run, which can be read offline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..engine.folder import NEAREST, RunFolder
from ..figures import with_error
from ..files import contents, write_text
from ..plain import parse_json
from ..verdict.run import training_verdict
from .figures import (
    levels_at_end,
    levels_over_steps,
    loss_curve,
    memory_curve,
    quality_curve,
    speed_curve,
)
from .media import shown, thinned


def write_report(folder: RunFolder) -> Path:
    """Write ``report.html`` from the run folder; figures and samples are embedded in the file."""
    rows, levels = folder.metrics(), folder.levels()
    evaluation = latest_evaluation(folder)
    evaluated = folder.evaluated_path
    page = rendered(
        "report.html.j2",
        name=folder.path.resolve().name,
        verdict=verdict_of(folder, evaluation),
        evaluation=evaluation,
        beside=evaluation.get("beside", []) if evaluation else [],
        beside_sheets=shown(folder.samples_path.glob("beside.*"))
        if evaluation and evaluation.get("beside")
        else [],
        quality=quality_curve(evaluation) if evaluation else "",
        number=with_error,
        nearest=shown(folder.samples_path.glob(f"{NEAREST}.*")) if evaluation else [],
        evaluated=shown(sorted(evaluated.glob("*"))) if evaluation and evaluated.is_dir() else [],
        facts=_facts(folder, rows),
        curves=[
            (title, curve)
            for title, curve in (
                ("Loss", loss_curve(rows)),
                ("Loss of held-out and of training examples", levels_over_steps(levels)),
                ("Loss by noise level", levels_at_end(levels)),
                ("Speed and learning rate", speed_curve(rows)),
                ("Memory", memory_curve(rows)),
            )
            if curve
        ],
        previews=shown(thinned(sorted(folder.samples_path.glob("preview-*")))),
        config=folder.config_path.read_text(encoding="utf-8", errors="backslashreplace"),
        rights=rights_of(folder),
        environment=json.dumps(folder.environment().model_dump(), indent=1),
    )
    write_text(folder.report_path, page)
    return folder.report_path


def rendered(template: str, **values: Any) -> str:
    """A page of this package; every text in it is escaped, except the SVG of our own figures."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    pages = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, loader=loader)
    page = pages.get_template(template).render(**values)
    return page.encode("utf-8", "backslashreplace").decode()


def verdict_of(folder: RunFolder, evaluation: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The verdict of an evaluation, or what the training says where no samples were measured."""
    if evaluation:
        return [{"command": "", **one} for one in evaluation["verdict"]]
    return [asdict(one) for one in training_verdict(folder.path)]


def latest_evaluation(folder: RunFolder) -> dict[str, Any] | None:
    """The last result of ``difftool evaluate``, if it is younger than the model."""
    path = folder.evaluation_path
    try:
        if path.stat().st_mtime < folder.model_path.stat().st_mtime:
            return None
        found = parse_json(contents(path))
        return found if found["verdict"] is not None and found["rows"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


LISTED = 200
"""Files of the data that a page lists; the others are in the table of the run."""


def rights_of(folder: RunFolder) -> dict[str, Any] | None:
    """The ledger of the data for a page; None where the run has none."""
    from ..data.ledger import from_table  # torch

    try:
        entries = from_table(contents(folder.ledger_path).decode())
    except (OSError, ValueError):
        return None
    files = [one for one in entries if one.examples]
    said = Counter(one.licence or one.copyright or "nothing is said" for one in files)
    return {
        "table": folder.ledger_path.name,
        "about": [one for one in entries if not one.examples],
        "files": files[:LISTED],
        "count": len(files),
        "bytes": sum(one.bytes for one in files),
        "licences": said.most_common(20),
    }


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
            ("last loss", "-" if last["loss"] is None else f"{last['loss']:.4f}"),
            ("examples per second", f"{last['examples_per_second']:.1f}"),
        ]
    return facts
