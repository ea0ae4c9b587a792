"""How much noise to add to the examples that a stage refines: the level with the nearest samples.

Noise on what is shown hides the faults of the stage before, and with them some of what it had
right. So there is a level at which the chain is best, which hangs on both stages and is found by
trying   (Ho et al. 2022, arXiv:2106.15282, Sec. 4.4: a sweep after training).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..stage import Stage
from .consistency import consistency
from .generate import Generated, SampleRequest, generate

GROUPS = 8
"""Number of groups of samples. The spread of their distances estimates the standard error."""

Distance = Callable[[Sequence[np.ndarray]], float]
"""Of raw examples from the data."""

Draw = Callable[[Iterable[Generated], int, float], Iterable[Generated]]
"""Shows the progress of so many samples at a level."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One level.

    Attributes:
        consistency: PSNR in dB between degraded samples and what they refine.
        distance: of samples that refine what the earlier stages make, from the data.
        parts: the same of parts of these samples, which are those of the same numbers at every
            level.
        degraded: of samples that refine degraded data; what it is below ``distance``, the earlier
            stages cost.
        made: the samples that refine what the earlier stages make.
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
        chain: to refine what the earlier stages make.
        data: to refine degraded examples, which are none of those that ``distance`` is from.
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
    """The lowest level that is as near the data as the nearest one, as far as can be told from so
    many samples.

    It may be farther by no more than one standard error of the difference between the two   (as in
    Breiman et al. 1984, Sec. 3.4.3). That error is from the differences between like parts of the
    samples of both: they refine the same examples under the same noise, and so what chance does to
    both alike is not in it. A lower level keeps more of what is refined.
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
    """The standard error of the difference between two levels' distances; 0 where there are too few
    samples to tell.
    """
    apart = np.subtract(one.parts, other.parts)
    return float(apart.std(ddof=1) / len(apart) ** 0.5) if len(apart) > 1 else 0.0


def evenly(highest: float, count: int) -> list[float]:
    """``count`` round levels from 0 to the highest; only 0 where that is the highest."""
    return sorted(
        {min(highest, float(f"{level:.2g}")) for level in np.linspace(0, highest, count).tolist()}
    )
