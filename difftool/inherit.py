"""A new model's first weights, taken from a trained one wherever it has the same part."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from .denoiser import Denoiser
from .description import Description
from .engine.weights import MODEL, load_weights
from .errors import UsageError
from .nn.frozen import require_frozen
from .stage import Stage

BACKBONE, CONDITIONERS = "backbone.", "_conditioners."


class Inherited(NamedTuple):
    """What a model was given: numbers out of all of its numbers, and the parts that stay new."""

    taken: int
    total: int
    new: tuple[str, ...]


def inherit(stage: Stage, path: Path) -> Inherited:
    """Fill the stage's network from a model file: what has the same place and the same shape.

    A network that holds another (``Backbone.inner_network``) takes the weights of such a one alone. A condition's weights are taken where its
    labels are the same.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        UsageError: it is of a network of another shape.
    """
    weights, about = load_weights(path, MODEL)
    own = stage.denoiser.state_dict()
    found = dict(_placed(weights, stage, Description.from_json(about["description"])))
    fitting = {name: tensor for name, tensor in found.items() if name in own and own[name].shape == tensor.shape}
    _require_most(path, weights, found, fitting, own)
    require_learnt(stage.denoiser, fitting)
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    require_frozen(stage.denoiser)
    return Inherited(_numbers(fitting.values()), _numbers(own.values()), _parts(set(own) - set(fitting), set(fitting), stage.denoiser))


def require_learnt(denoiser: Denoiser, taken: Collection[str] = ()) -> None:
    """Refuse weights of the network that neither were taken from a model nor learn: they would stay what chance made them.

    A conditioner may hold frozen weights, because it brings them with it (``Frozen``): those of a text encoder, for example.
    """
    network = denoiser.backbone.named_parameters(BACKBONE[:-1])
    if frozen := [name for name, p in network if not p.requires_grad and name not in taken]:
        raise UsageError(
            f"{len(frozen)} tensors of the network are to stay as they are ({frozen[0]} is one), and no model gives them. Start from one that "
            "has them, by --init, or let them learn, by the backbone's own options."
        )
    if not taken:
        require_frozen(denoiser)


def _placed(weights: Mapping[str, Tensor], stage: Stage, description: Description) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of the file under the name that it has in the stage's denoiser."""
    denoiser, inner = stage.denoiser, stage.denoiser.backbone.inner_network
    alone = bool(inner) and not any(name.startswith(f"{BACKBONE}{inner}.") for name in weights)
    places = {
        str(i): str(list(denoiser.conditioners).index(name))
        for i, (name, condition) in enumerate(description.conditions.items())
        if name in denoiser.conditioners and condition.same_as(stage.description.conditions[name])
    }
    for name, tensor in weights.items():
        if name.startswith(BACKBONE):
            yield (f"{BACKBONE}{inner}.{name.removeprefix(BACKBONE)}" if alone else name), tensor
        elif name.startswith(CONDITIONERS):
            place, _, rest = name.removeprefix(CONDITIONERS).partition(".")
            if place in places:
                yield f"{CONDITIONERS}{places[place]}.{rest}", tensor


def _require_most(
    path: Path, weights: Mapping[str, Tensor], found: Mapping[str, Tensor], fitting: Mapping[str, Tensor], own: Mapping[str, Tensor]
) -> None:
    """Refuse what would be another network: less than half of its tensors find their place."""
    count, used = (sum(name.startswith(BACKBONE) for name in names) for names in (weights, fitting))
    if used * 2 >= count:
        return
    other = [name for name, tensor in found.items() if name in own and own[name].shape != tensor.shape][:1]
    shown = "".join(f" {name} is {tuple(found[name].shape)} there and {tuple(own[name].shape)} here." for name in other)
    raise UsageError(
        f"{path} is of another network: {used:,} of its {count:,} tensors would fit. Leave its settings, [backbone], as "
        f"they are there, or start without --init.{shown}"
    )


def _numbers(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _parts(names: set[str], taken: set[str], denoiser: Denoiser) -> tuple[str, ...]:
    """What these tensors belong to: a condition, a part of the network, or a part of that where the rest of it was taken."""
    found = set()
    for name in names:
        head, second, *rest = name.split(".")
        if head == CONDITIONERS[:-1]:
            found.add(list(denoiser.conditioners)[int(second)])
        else:
            partly = any(other.startswith(f"{head}.{second}.") for other in taken)
            found.add(".".join([head, second, *rest[: 1 if partly and len(rest) > 1 else 0]]))
    return tuple(sorted(found))
