"""Which level of noise to add to the inputs of a later stage: the one with the best samples.

Noise hides the faults of the earlier stage's samples, and some of their correct content too. The
best level depends on both stages, and is found by trying several after training
(Ho et al. 2022, arXiv:2106.15282, Sec. 4.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..stage import Stage
from .consistency import consistency
from .generate import Generated, generate
from .sample_request import SampleRequest

GROUPS = 8
"""Number of groups of samples. The spread of their distances estimates the standard error."""

Distance = Callable[[Sequence[np.ndarray]], float]
"""The distance of raw examples from the data."""

Draw = Callable[[Iterable[Generated], int, float], Iterable[Generated]]
"""Shows the progress of sampling: (samples, their number, level) -> the samples."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One level and what was measured at it.

    Attributes:
        consistency: PSNR in dB of the degraded samples to their inputs.
        distance: distance from the data of samples that refine the earlier stages' samples.
        parts: the distances of groups of these samples, the same groups at every level.
        degraded: distance from the data of samples that refine degraded data. Its difference from
            ``distance`` is the share of the earlier stages.
        made: the samples that refine the earlier stages' samples.
    """

    level: float
    consistency: float
    distance: float
    parts: tuple[float, ...]
    degraded: float
    made: list[Generated] = field(repr=False)


def sweep(
    stage: Stage,
    chain: SampleRequest,
    data: SampleRequest,
    levels: Sequence[float],
    distance: Distance,
    shown: Draw,
) -> Iterator[Candidate]:
    """Measure each level in turn, all with the same noise.

    Args:
        chain: a request for samples that refine the earlier stages' samples.
        data: a request for samples that refine degraded examples. ``distance`` is measured from
            other examples.
        distance: see ``Distance``.
        shown: see ``Draw``.
    """
    assert stage.bridge is not None  # it refines
    for level in levels:
        made = list(shown(generate(stage, replace(chain, level=level)), chain.n, level))
        examples = [one.example for one in made]
        refined = [
            one.example for one in shown(generate(stage, replace(data, level=level)), data.n, level)
        ]
        agreement = consistency(stage.bridge, examples, chain.low)
        yield Candidate(
            level,
            agreement,
            distance(examples),
            _parts(examples, distance),
            distance(refined),
            made,
        )


def _parts(examples: Sequence[np.ndarray], distance: Distance) -> tuple[float, ...]:
    groups = min(GROUPS, len(examples) // 2)
    return tuple(distance(examples[i::groups]) for i in range(groups)) if groups > 1 else ()


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The lowest level whose distance is not significantly larger than the smallest distance.

    The two distances may differ by one standard error of their difference (the rule of Breiman et
    al. 1984, Sec. 3.4.3). The error is estimated from groups of samples: a group refines the same
    examples with the same noise at both levels, so chance that affects both does not count. A lower
    level keeps more of the input.
    """
    nearest = min(candidates, key=lambda one: one.distance)
    return min(
        (
            one
            for one in candidates
            if one.distance - nearest.distance <= error_between(one, nearest)
        ),
        key=lambda one: one.level,
    )


def error_between(one: Candidate, other: Candidate) -> float:
    """The standard error of the difference between the distances of two levels.

    It is 0 if there are too few samples to estimate it.
    """
    pairs = [pair for pair in zip(one.parts, other.parts, strict=True) if np.isfinite(pair).all()]
    apart = np.array([a - b for a, b in pairs])
    return float(apart.std(ddof=1) / len(apart) ** 0.5) if len(apart) > 1 else 0.0


def evenly(highest: float, count: int) -> list[float]:
    """``count`` round levels from 0 to ``highest``; only 0 if that is the highest."""
    return sorted(
        {min(highest, float(f"{level:.2g}")) for level in np.linspace(0, highest, count).tolist()}
    )
