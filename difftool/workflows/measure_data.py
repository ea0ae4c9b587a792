"""What ``difftool doctor`` measures of data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DifftoolError
from .judged import asked_of, judge_of, label_of
from .reference import Reference, ReferenceData, reference_data
from .reporter import Reporter

if TYPE_CHECKING:
    from ..column import Column
    from ..config import Config
    from ..data.inspect import Inspection, Look
    from ..modality import Modality
    from ..plugin.registry import Registry

LOOKS = 1000
"""Most files that are inspected as they are stored."""

SEED = 0
"""Of the choice of examples: the same data give the same verdict."""


@dataclass
class Notes:
    """What was measured, by the names of the attributes of ``Case``, and why the rest was not."""

    found: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def trying(self, *names: str) -> Iterator[None]:
        """What cannot be measured inside the block is noted with the reason."""
        try:
            yield
        except DifftoolError as error:
            self.missing |= dict.fromkeys(names, str(error))


def measure_data(
    config: Config,
    parts: Registry,
    reporter: Reporter,
    most: int,
    notes: Notes,
    columns: Mapping[str, Column] | None = None,
    device: str = "auto",
    first: Sequence[int] = (),
) -> ReferenceData | None:
    """Note what there is to know of the data of a configuration; returns some examples.

    Args:
        columns: the conditions that a judge learns; None for the class of the data.
        first: numbers of examples that must be among those that are looked at.
    """
    from ..assemble import open_examples  # torch

    data = None
    with notes.trying("examples", "columns", "looks", "seen", "spreads", "features", "labels"):
        path, modality, cache = open_examples(config, parts, progress=reporter.counter())
        notes.found["skipped"] = [f"{file}: {reason}" for file, reason in cache.skipped]
        data = reference_data(config, parts, Reference(None, most), SEED, reporter, first)
        notes.found |= {"examples": data.examples, "columns": data.columns, "total": data.total}
        _seen(modality, data, notes)
    if data is None:
        return None
    with notes.trying("looks"):
        spec = parts.modality(config.modality.use)
        notes.found["looks"] = _looks(parts.inspection(spec), modality, path)
    _judged(modality, data, columns, device, reporter, notes)
    return data


def _looks(
    kind: type[Inspection[Any, Any]] | None, modality: Modality, path: Path
) -> Sequence[Look]:
    """Facts of the files, by the inspection of the modality."""
    from ..data.bound import bounded
    from ..data.inspect import ArrayInspection
    from ..data.parallel import parallel, pick_evenly
    from ..errors import DataError

    inspection = (kind or ArrayInspection)(modality)
    items = pick_evenly(inspection.sample(modality.scan(path)), LOOKS)

    def look(item: Any) -> Look | None:
        try:
            with bounded(item.path):
                return inspection.look(item)
        except (DataError, OSError):  # training skips it as well, and says so
            return None

    return [one for one in parallel(look, items) if one is not None]


def _seen(modality: Modality, data: ReferenceData, notes: Notes) -> None:
    """Distances between examples, and how much there is to see in each."""
    import numpy as np

    from ..judge.eye import Eye

    shown = [modality.perceive(one) for one in data.examples]
    finite = [one for one in shown if np.isfinite(one).all()]
    notes.found["spreads"] = np.array([np.std(one, dtype=np.float64) for one in shown])
    if finite:
        notes.found["seen"] = Eye.of(finite).sketch([np.nan_to_num(one) for one in shown])


def _judged(
    modality: Modality,
    data: ReferenceData,
    columns: Mapping[str, Column] | None,
    device: str,
    reporter: Reporter,
    notes: Notes,
) -> None:
    """What a judge sees in the examples."""
    import numpy as np

    known = label_of(data) if columns is None else columns
    if not known:
        notes.missing["labels"] = "The data have no labels."
    with notes.trying("features", "labels"):
        rows = data.columns
        judge = judge_of(known, rows, modality, data, device, reporter)
        seen = [modality.perceive(one) for one in data.examples]
        features = judge.features(seen, asked_of(known, rows), np.asarray(data.numbers))
        notes.found |= {"features": features, "quality": judge.quality}
