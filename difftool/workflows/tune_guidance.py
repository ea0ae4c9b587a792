"""Find the levels of autoguidance that suit a model: the worse version, the scale, the interval."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folder import RunFolder
from ..errors import UsageError
from .bench import Candidate, bench_of, halved, scored, single_stage
from .reporter import Reporter
from .request import Request

if TYPE_CHECKING:
    from ..plugin.registry import Registry

SCALES = (1.5, 2.0, 3.0)

INTERVALS = ((0.0, None), (0.0, 1.0), (0.2, 5.0))
"""Noise levels between which the samples are guided (Kynkäänniemi et al. 2024, arXiv:2404.07724)."""

MOST = 3
"""Snapshots that are tried, spread evenly from the first on."""


def tune_guidance(
    word: str,
    steps: int,
    worse: Sequence[str],
    request: Request,
    path: Path | None,
    parts: Registry,
    reporter: Reporter,
) -> dict[str, Any]:
    """The best autoguidance at a number of steps, on at most ``request.n`` samples.

    Args:
        worse: runs or model files to guide away from; empty for the run's own snapshots.
        path: data to compare with; None for the training data.

    Returns:
        the model, ``sets``, which are empty where no guidance is better, ``distance`` and
        ``own_distance`` with their errors, and the number of candidates.

    Raises:
        UsageError: the run has no snapshots, and no other model is named.
    """
    stage = single_stage(word, request, parts, reporter)
    others = list(worse) or [str(one) for one in _snapshots(stage.model.path.parent)]
    bench = bench_of(word, stage, request, path, parts, reporter)
    candidates = [Candidate(sets) for other in others for sets in _settings(other)]
    best = halved(bench, candidates, steps, request.n)
    score = scored(bench, best, steps, request.n)
    return {
        "model": str(stage.model.path),
        "steps": steps,
        "sets": list(score.best.sets),
        "distance": score.distance,
        "error": score.error,
        "own_distance": score.own_distance,
        "own_error": score.own_error,
        "candidates": len(candidates),
        "samples": request.n,
    }


def _snapshots(run: Path) -> list[Path]:
    """Snapshots of a run but for the last, which is hardly worse than the model."""
    found = RunFolder(run).snapshots()[:-1]
    if not found:
        raise UsageError(
            f"{run} has no snapshots to guide away from. Train with --set ema.power=[0.05,0.1] --set "
            "ema.snapshot_every=N, or name a worse run with --worse: a smaller network, or the same "
            "one after a tenth of the steps."
        )
    return found[:: max(1, -(-len(found) // MOST))]


def _settings(other: str) -> Iterator[tuple[str, ...]]:
    for low, high in INTERVALS:
        for scale in SCALES:
            yield (
                "guidances.auto.use=autoguidance",
                f"guidances.auto.model={other}",
                f"guidances.auto.scale={scale:g}",
                f"guidances.auto.low={low:g}",
                *([] if high is None else [f"guidances.auto.high={high:g}"]),
            )
