"""The initial weights of a new model, copied from a trained one where parts are the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..denoiser import Denoiser
from ..description import Description, described
from ..engine.weights import MODEL, load_weights
from ..errors import UsageError
from ..nn.frozen import require_frozen
from ..stage import Stage

BACKBONE, CONDITIONERS = "backbone.", "_conditioners."


class Inherited(NamedTuple):
    """How many of a model's numbers were copied, and the parts that were not."""

    taken: int
    total: int
    new: tuple[str, ...]


def inherit(stage: Stage, path: Path) -> Inherited:
    """Copy the tensors of a model file that have the same name and shape in the stage's network.

    A network that contains another (``Backbone.inner_network``) also takes the weights of that one.
    The weights of a condition are copied if its labels are the same.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        UsageError: fewer than half of the tensors fit.
    """
    weights, about = load_weights(path, MODEL)
    own = stage.denoiser.state_dict()
    found = dict(_placed(weights, stage, described(path, about["description"])))
    fitting = {
        name: tensor
        for name, tensor in found.items()
        if name in own and own[name].shape == tensor.shape
    }
    _require_most(path, weights, found, fitting, own)
    require_trained(stage.denoiser, fitting)
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    require_frozen(stage.denoiser)
    return Inherited(
        _numbers(fitting.values()),
        _numbers(own.values()),
        _parts(set(own) - set(fitting), set(fitting), stage.denoiser),
    )


def require_trained(denoiser: Denoiser, taken: Collection[str] = ()) -> None:
    """Refuse frozen weights of the network that were not copied: they would stay random.

    A conditioner may hold frozen weights of its own (``Frozen``), such as those of a text encoder.
    """
    network = denoiser.backbone.named_parameters(BACKBONE[:-1])
    if frozen := [name for name, p in network if not p.requires_grad and name not in taken]:
        raise UsageError(
            f"{len(frozen)} frozen tensors (such as {frozen[0]}) have no trained values. "
            "Start from a model that has them with --init, or unfreeze them in [backbone]."
        )
    if not taken:
        require_frozen(denoiser)


def _placed(
    weights: Mapping[str, Tensor], stage: Stage, description: Description
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the file, by its name in the stage's denoiser."""
    denoiser, inner = stage.denoiser, stage.denoiser.backbone.inner_network
    is_inner = bool(inner) and not any(name.startswith(f"{BACKBONE}{inner}.") for name in weights)
    places = {
        str(i): str(list(denoiser.conditioners).index(name))
        for i, (name, condition) in enumerate(description.conditions.items())
        if name in denoiser.conditioners and condition.same_as(stage.description.conditions[name])
    }
    for name, tensor in weights.items():
        if name.startswith(BACKBONE):
            yield (f"{BACKBONE}{inner}.{name.removeprefix(BACKBONE)}" if is_inner else name), tensor
        elif name.startswith(CONDITIONERS):
            place, _, rest = name.removeprefix(CONDITIONERS).partition(".")
            if place in places:
                yield f"{CONDITIONERS}{places[place]}.{rest}", tensor


def _require_most(
    path: Path,
    weights: Mapping[str, Tensor],
    found: Mapping[str, Tensor],
    fitting: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
) -> None:
    """Refuse a file of another network: fewer than half of its tensors fit."""
    count, used = (sum(name.startswith(BACKBONE) for name in names) for names in (weights, fitting))
    if used * 2 >= count:
        return
    other = [
        name for name, tensor in found.items() if name in own and own[name].shape != tensor.shape
    ][:1]
    shown = "".join(
        f" {name} has shape {tuple(found[name].shape)} there and {tuple(own[name].shape)} here."
        for name in other
    )
    raise UsageError(
        f"{path} holds another network: only {used:,} of its {count:,} tensors fit. "
        f"Use its [backbone] settings, or start without --init.{shown}"
    )


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _parts(names: set[str], taken: set[str], denoiser: Denoiser) -> tuple[str, ...]:
    """The parts that these tensors belong to: conditions, or parts of the network."""
    found = set()
    for name in names:
        head, second, *rest = name.split(".")
        if head == CONDITIONERS[:-1]:
            found.add(list(denoiser.conditioners)[int(second)])
        else:
            partly = any(other.startswith(f"{head}.{second}.") for other in taken)
            found.add(".".join([head, second, *rest[: 1 if partly and len(rest) > 1 else 0]]))
    return tuple(sorted(found))
