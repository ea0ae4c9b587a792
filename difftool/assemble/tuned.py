"""The data of fine-tuning, as the model that is fine-tuned would describe it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..conditioners.columns import ChannelsColumn
from ..config import Config
from ..description import Description, described, extended
from ..engine.folder import RunFolder
from ..engine.weights import MODEL, read_about
from ..errors import UsageError
from ..names import local_path
from ..nn.operators import FILE, require_operator, width_of
from ..objectives.options import CONTROL, ControlOptions, TunedOptions
from ..representation import Representation


def tuned_base(config: Config) -> Description | None:
    """The description of the model that a configuration fine-tunes; None if it fine-tunes none.

    Raises ModelFileError if the file is missing or damaged.
    """
    options = config.objective.options
    if not isinstance(options, TunedOptions) or not options.base:
        return None
    path = local_path(options.base)
    path = RunFolder(path).model_path if path.is_dir() else path
    return described(path, read_about(path, MODEL)["description"])


def tuned(
    config: Config, base: Description, found: Description, values: Mapping[str, Any]
) -> tuple[Description, dict[str, Any]]:
    """The model's own description, with the new labels and words of the data behind the old ones,
    and the values of its conditions; null where the data have no such column.
    """
    both = extended(base, found)
    conditions, own = dict(both.conditions), dict[str, Any]()
    for name, column in conditions.items():
        if not column.settable:
            continue
        other = found.conditions.get(name)
        own[name] = (
            [column.null] * found.count
            if other is None
            else [column.moved(value, other) for value in values[name]]
        )
    if isinstance(config.objective.options, ControlOptions):
        conditions[CONTROL] = ChannelsColumn(CONTROL, 1)  # as wide as it is, by with_map
        both = replace(both, conditions=conditions)
    return replace(both, count=found.count, fingerprint=found.fingerprint), own


def with_map(
    config: Config, representation: Representation, description: Description
) -> Description:
    """The description of a control branch has its map as a further condition."""
    options = config.objective.options
    if not isinstance(options, ControlOptions):
        return description
    places = representation.space.places
    require_operator(options.operator, representation.shape, places)
    width = width_of(options.operator, representation.shape, places)
    column = ChannelsColumn(CONTROL, width)
    return replace(description, conditions={**description.conditions, CONTROL: column})


def map_column(config: Config) -> str:
    """The column that names the map of each example; empty where maps are computed.

    Raises UsageError where one of both settings is missing.
    """
    options = config.objective.options
    if not isinstance(options, ControlOptions):
        return ""
    if (options.operator == FILE) != bool(options.column):
        raise UsageError(
            "objective.operator = 'file' and objective.column belong together. Name the column of "
            "metadata.csv in which each example names its map."
        )
    return options.column
