"""Adapters as tensors of a file, under the names of the library peft.

``base_model.model.MODULE.lora_A.weight`` ``[rank, inputs, ...]``, ``lora_B.weight`` ``[outputs,
rank, 1 ...]`` and, of DoRA, ``lora_magnitude_vector``; a tensor that is changed as a whole has its
own name; new rows of a table end in ``.new_rows``.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from .adapters import Adapter, LowRank, Rows, low_rank_change, merged, row_lengths

PREFIX = "base_model.model."
A, B, LENGTHS = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
NEW_ROWS = ".new_rows"


def adapter_tensors(
    adapters: Mapping[str, Adapter], tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The tensors of an adapter file.

    Args:
        adapters: those of a model, by the plain names of its tensors.
        tensors: as for ``merged``.
    """
    found = {}
    for name, adapter in adapters.items():
        module, _, attribute = name.rpartition(".")
        start = f"{module}.parametrizations.{attribute}."
        weight = tensors[f"{start}original"]
        own = {
            key.removeprefix(f"{start}0."): value
            for key, value in tensors.items()
            if key.startswith(f"{start}0.")
        }
        place = f"{PREFIX}{module}"
        if isinstance(adapter, LowRank):
            kernel = weight.shape[2:]
            found[place + A] = own["A"].reshape(-1, *weight.shape[1:])
            found[place + B] = own["B"].reshape(*own["B"].shape, *(1 for _ in kernel))
            if "gain" in own:
                lengths = own["gain"] * row_lengths(weight)
                found[place + LENGTHS] = (
                    lengths.reshape(1, -1, *(1 for _ in kernel)) if kernel else lengths
                )
        else:
            whole = merged({name: adapter}, {f"{start}original": weight, **_named(start, own)})
            rows = isinstance(adapter, Rows)
            found[f"{PREFIX}{name}{NEW_ROWS if rows else ''}"] = (
                whole[name][adapter.first :] if rows else whole[name]
            )
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in found.items()}


def _named(start: str, own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{start}0.{key}": value for key, value in own.items()}


def changes(
    file: Mapping[str, Tensor], weights: Mapping[str, Tensor], alpha: float
) -> dict[str, Tensor]:
    """What an adapter adds to the weights of a model, by their names; new rows aside.

    Args:
        alpha: scale of low-rank adapters times their rank; 0 for their rank.

    Raises:
        KeyError: the model lacks a weight.
        RuntimeError: a shape does not fit.
    """
    found = {}
    for key, tensor in file.items():
        name = key.removeprefix(PREFIX)
        if name.endswith(A):
            name = name.removesuffix(A)
            weight, rank = weights[f"{name}.weight"], len(tensor)
            a, b = tensor.flatten(1), file[key.removesuffix(A) + B].flatten(1)
            lengths = file.get(key.removesuffix(A) + LENGTHS)
            gain = None if lengths is None else lengths.flatten() / row_lengths(weight)
            found[f"{name}.weight"] = low_rank_change(weight, a, b, (alpha or rank) / rank, gain)
        elif not name.endswith((B, LENGTHS, NEW_ROWS)):
            found[name] = tensor - weights[name]
    return found


def new_rows(file: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The new rows of tables, by the names of these."""
    return {
        key.removeprefix(PREFIX).removesuffix(NEW_ROWS): tensor
        for key, tensor in file.items()
        if key.endswith(NEW_ROWS)
    }
