"""The comparison: one self-contained HTML file about several runs, side by side."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from ..engine.folder import RunFolder
from ..figures import with_error
from ..files import write_text
from . import latest_evaluation, rendered, verdict_of
from .figures import levels_at_end, loss_curve
from .media import Media, shown

PAIRS = 24
"""Most pairs of two runs that are shown blind."""


def write_comparison(
    folders: Sequence[RunFolder],
    ends: Sequence[Mapping[str, Any]],
    differing: Mapping[str, Sequence[Any]],
    path: Path,
) -> Path:
    """Write a page about runs; nothing is overwritten but such a page.

    Args:
        ends: the summary of each run.
        differing: setting -> its value in each run.
    """
    names = [folder.path.resolve().name for folder in folders]
    evaluations = [latest_evaluation(folder) for folder in folders]
    page = rendered(
        "compare.html.j2",
        names=names,
        ends=[
            (key, [_shown(end.get(key)) for end in ends])
            for key in ("data", "step", "loss", "examples_per_second")
        ],
        differing=differing,
        verdicts=[
            verdict_of(folder, found) for folder, found in zip(folders, evaluations, strict=True)
        ],
        numbers=_numbers(evaluations),
        curves=[loss_curve(folder.metrics()) for folder in folders],
        levels=[levels_at_end(folder.levels()) for folder in folders],
        previews=[_last_preview(folder) for folder in folders],
        pairs=_pairs(names, [samples_of(folder) for folder in folders]),
    )
    write_text(path, page)
    return path


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)


def samples_of(folder: RunFolder) -> list[Media]:
    """The samples that ``difftool evaluate`` has kept."""
    return shown(sorted(folder.evaluated_path.glob("*"))) if folder.evaluated_path.is_dir() else []


def _numbers(evaluations: Sequence[Mapping[str, Any] | None]) -> list[tuple[str, list[str]]]:
    """Metric -> the number of each run, and last that of held-out data."""
    rows: dict[str, list[str]] = {}
    for at, found in enumerate(evaluations):
        for row in found["rows"] if found else ():
            cells = rows.setdefault(
                f"{row['metric']} {row['name']}", ["-"] * (len(evaluations) + 1)
            )
            cells[at] = with_error(row["samples"], row["samples_error"])
            cells[-1] = with_error(row["data"], row["data_error"])
    return list(rows.items())


def _last_preview(folder: RunFolder) -> list[Media]:
    return shown(sorted(folder.samples_path.glob("preview-*"))[-1:])


def _pairs(names: Sequence[str], samples: Sequence[Sequence[Media]]) -> list[dict[str, Any]]:
    """Pairs of samples of two runs, in random order and on random sides."""
    rng, found = random.Random(0), []
    for one, other in combinations(range(len(names)), 2):
        for a, b in list(zip(samples[one], samples[other], strict=False))[:PAIRS]:
            sides = [(names[one], a), (names[other], b)]
            rng.shuffle(sides)
            found.append({"names": [name for name, _ in sides], "media": [m for _, m in sides]})
    rng.shuffle(found)
    return found
