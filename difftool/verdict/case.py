"""Case: what was measured of data and of a run, which checks judge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .training import TrainingFacts

if TYPE_CHECKING:
    import numpy as np

    from ..data.inspect import Look
    from ..metric import Features


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Losses by noise level, each with its standard error: ``[levels]``.

    Attributes:
        sigmas: the levels, from the lowest to the highest.
        held: of examples that the run was not trained on.
        trained: of as many examples that it was trained on.
        live: of the weights without an average, on the held-out examples; None where unknown.
        difference_error: standard error of ``held - trained``.
    """

    sigmas: np.ndarray
    held: np.ndarray
    trained: np.ndarray
    difference_error: np.ndarray
    live: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Noise:
    """The levels of a run beside its data, in model units.

    Attributes:
        spread: standard deviation of one entry of the data.
        apart: median distance of two examples.
        strongest: root mean square size of the data along the direction in which they are largest.
        lowest, highest: the ends of the schedule.
        visited: the levels at which the sampler evaluates the network.
        trained: levels as training draws them, sorted.
    """

    spread: float
    apart: float
    strongest: float
    lowest: float
    highest: float
    visited: np.ndarray
    trained: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """How a model reacts to a condition.

    Attributes:
        gain: share of the loss that the true condition saves, compared with one of another example.
        error: its standard error.
        change: root mean square change of the estimate with another condition, over its error.
    """

    gain: float
    error: float
    change: float


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """Samples, and what ``difftool evaluate`` found.

    Attributes:
        rows: those of ``difftool evaluate``.
        info: how they were made: ``count``, ``steps``, ``guidance``, ``sampler``.
        unsettled: how far samples move with four times as many steps, over their spread; NaN where
            unknown.
    """

    rows: Sequence[Mapping[str, Any]]
    info: Mapping[str, Any]
    unsettled: float = float("nan")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was measured; None for what was not.

    Attributes:
        modality: name of the kind of data.
        source: the data, as a user names them.
        total: number of examples of the data.
        skipped: for each file that cannot be used, its name and the reason.
        examples: some of them in raw units, as training uses them.
        columns: the labels and numbers of each of these.
        seen: ``[n, d]``, a sketch of what the modality shows of each to a judge: distances between
            rows are those of the examples.
        spreads: ``[n]``, the standard deviation of what it shows of each.
        looks: facts of the files, by the inspection of the modality.
        features: what a judge that was trained on the data sees in the examples.
        quality: how well the judge does on examples it was not trained on.
        training: the losses and the settings of a run.
        parameters: number of the weights of its network.
        levels: its losses by noise level.
        noise: its noise levels beside the data.
        reactions: how its model reacts to each condition.
        drawn: its samples.
        loading: examples that the loader serves in a second.
        missing: name of what was not measured -> the reason.
    """

    modality: str = ""
    source: str = ""
    total: int = 0
    skipped: Sequence[str] | None = None
    examples: Sequence[np.ndarray] | None = None
    columns: Sequence[Mapping[str, str | float]] | None = None
    seen: np.ndarray | None = None
    spreads: np.ndarray | None = None
    looks: Sequence[Look] | None = None
    features: Features | None = None
    quality: Mapping[str, float] | None = None
    training: TrainingFacts | None = None
    parameters: int | None = None
    levels: Levels | None = None
    noise: Noise | None = None
    reactions: Mapping[str, Reaction] | None = None
    drawn: Drawn | None = None
    loading: float | None = None
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def labels(self) -> tuple[str, np.ndarray] | None:
        """The name of the judge's first label, and the label of each example; None without one."""
        if self.features is None:
            return None
        found = (
            (name, asked)
            for name, asked in self.features.asked.items()
            if asked.ndim == 1 and asked.dtype.kind in "iu"
        )
        return next(found, None)


MEASUREMENTS = {
    "skipped": "files that cannot be used",
    "examples": "examples as training uses them",
    "columns": "labels and columns",
    "seen": "distances between examples",
    "spreads": "how much there is to see in examples",
    "looks": "files as they are stored",
    "features": "a judge trained on the data",
    "labels": "labels",
    "training": "logged losses and settings",
    "levels": "loss by noise level, on held-out and on training examples",
    "noise": "noise levels beside the spread of the data",
    "reactions": "how estimates depend on conditions",
    "drawn": "samples beside the data",
    "loading": "speed of the loader",
}
"""What can be measured: an attribute of ``Case`` -> what it is in words."""
