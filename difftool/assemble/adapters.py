"""Trained adapters laid on the weights of a model, before it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..description import Description, described, extended
from ..engine.weights import ADAPTER, load_weights
from ..errors import ModelFileError
from ..nn.adapter_file import changes, new_rows

Adapters = Sequence[tuple[Path, float]]
"""Adapter files, each with the weight with which it counts."""


def adapted(
    path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any], adapters: Adapters
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights W + sum_i w_i (change_i of W), and a description that knows the adapters' labels
    and words.

    Args:
        path: the model file, for messages.

    Raises:
        ModelFileError: an adapter is damaged, or is of another model.
    """
    made, description = dict(tensors), described(path, about["description"])
    for file, weight in adapters:
        own, its = load_weights(file, ADAPTER)
        alpha = float(its["config"].get("objective", {}).get("alpha", 0.0))
        try:
            for name, change in changes(own, tensors, alpha).items():
                made[name] = made[name] + weight * change
            other = described(file, its["description"])
            more = extended(description, other)
            _grow(made, new_rows(own), description, other, more)
        except (KeyError, RuntimeError) as error:
            raise ModelFileError(
                f"{file} is an adapter of another model than {path}: {error}. Use it with the "
                f"model that it was trained on: {its['config'].get('objective', {}).get('base')}."
            ) from None
        description = more
    return made, {**about, "description": description.to_json()}


def _grow(
    tensors: dict[str, Tensor],
    rows: Mapping[str, Tensor],
    before: Description,
    other: Description,
    after: Description,
) -> None:
    """Put new rows behind the tables of conditions, in the order of the description ``after``."""
    for name, given in rows.items():
        condition = list(after.conditions)[int(name.split(".")[1])]
        names = after.conditions[condition].entries()
        theirs = other.conditions[condition].entries()[-len(given) :]
        known, table = len(before.conditions[condition].entries()), tensors[name]
        if len(names) == known:
            continue
        added = [given[theirs.index(entry)] for entry in names[known:]]
        tensors[name] = torch.cat((table, torch.stack(added).to(table)))
