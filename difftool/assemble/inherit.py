"""The initial weights of a new model, copied from a trained one where parts are the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..conditioners.mask import MASK
from ..denoiser import Denoiser
from ..description import Description, described
from ..engine.weights import MODEL, load_weights
from ..errors import UsageError
from ..nn.autoencoder.coder import Coder
from ..nn.frozen import require_frozen
from ..stage import Stage
from .borrowed import require_same_latents

BACKBONE, CONDITIONERS, TOLD = "backbone.", "_conditioners.", "told."


class Inherited(NamedTuple):
    """What a model starts with.

    Attributes:
        taken, total: how many of its numbers were copied, and how many it has.
        new: its parts that were not copied.
        left: parts of the model file that this one does not have, and how many numbers each has.
    """

    taken: int
    total: int
    new: tuple[str, ...]
    left: Mapping[str, int]


def inherit(stage: Stage, path: Path) -> Inherited:
    """Copy the tensors of a model file that have the same name and shape in the stage's network.

    A network that contains another (``Backbone.inner_network``) also takes the weights of that one.
    The weights of a condition are copied if its labels are the same. A network that was shown no
    conditions, or no mask of given entries, hears nothing of them at first.

    Raises:
        ModelFileError: the file is damaged, foreign, or newer than this program.
        UsageError: fewer than half of the tensors fit, or they learnt in other latents.
    """
    weights, about = load_weights(path, MODEL)
    require_same_latents(stage.representation, weights, path)
    own, description = stage.denoiser.state_dict(), described(path, about["description"])
    places = dict(_places(weights, stage, description))
    found = {own_name: weights[name] for name, own_name in places.items()}
    if MASK in stage.description.conditions.keys() - description.conditions.keys():
        found = {name: _wider(tensor, own.get(name)) for name, tensor in found.items()}
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
    _silence(stage.denoiser.backbone, fitting)
    require_frozen(stage.denoiser)
    return Inherited(
        _numbers(fitting.values()),
        _numbers(own.values()),
        tuple(sorted(_parts(set(own) - set(fitting), fitting, stage.denoiser.conditioners))),
        _left(weights, {name for name, place in places.items() if place in fitting}, description),
    )


def _wider(tensor: Tensor, own: Tensor | None) -> Tensor:
    """The weights of a layer with zeros for inputs that it has here only, after the others."""
    if own is None or tensor.ndim != own.ndim or tensor.ndim < 2:
        return tensor
    (outputs, inputs, *kernel), more = tensor.shape, own.shape[1] - tensor.shape[1]
    if more <= 0 or own.shape != (outputs, inputs + more, *kernel):
        return tensor
    return torch.cat((tensor, tensor.new_zeros(outputs, more, *kernel)), 1)


def _silence(backbone: nn.Module, taken: Collection[str]) -> None:
    """Set layers ``vector`` that were not copied to zero, so that the network does at first what it
    did without conditions.

    A random vector in the embedding of the noise level undoes what was trained: the loss of a
    trained network rose from 0.3 to 50. Cross-attention that is new adds zero anyway.
    """
    for name, layer in backbone.named_modules(prefix=BACKBONE[:-1]):
        new = name.endswith(".vector") and f"{name}.weight" not in taken
        if new and isinstance(layer, nn.Linear):  # a normalised layer has no zero
            with torch.no_grad():
                layer.weight.zero_()


def inherit_model(stage: Stage, path: Path) -> Inherited:
    """Copy the tensors of a model file that have the same name and shape in the model of an
    objective that trains no denoiser, such as an autoencoder.

    Convolutions over space and time take those over space alone: each step of time then does what
    the other model did (Carreira & Zisserman 2017, arXiv:1705.07750, Sec. 2.3, without copies).

    Raises as ``inherit``.
    """
    weights, own = load_weights(path, MODEL)[0], stage.model.state_dict()
    causal = getattr(stage.model, "causal", False)
    shaped = {
        name: over_time(t, own[name].shape, causal) for name, t in weights.items() if name in own
    }
    fitting = {name: t for name, t in shaped.items() if own[name].shape == t.shape}
    if 2 * len(fitting) < len(own):
        raise UsageError(
            f"{path} holds another model: only {len(fitting):,} of the {len(own):,} tensors of this "
            "one are there. Use its [objective] settings, or start without --init."
        )
    require_learnt(stage.model, fitting)
    with torch.no_grad():
        for name, tensor in fitting.items():
            own[name].copy_(tensor)
    return Inherited(
        _numbers(fitting.values()),
        _numbers(own.values()),
        tuple(sorted(own.keys() - fitting)),
        {name: t.numel() for name, t in weights.items() if name not in fitting},
    )


def over_time(kernel: Tensor, shape: Sequence[int], causal: bool) -> Tensor:
    """A kernel ``[o, i, h, w]`` as one ``[o, i, t, h, w]`` that sees the present only; others stay.

    Args:
        shape: of the kernel that is wanted.
        causal: the present is its last step of time, not the middle one.
    """
    lacks_time = kernel.ndim == 4 and len(shape) == 5
    if not lacks_time or kernel.shape != torch.Size((*shape[:2], *shape[3:])):
        return kernel
    present = shape[2] - 1 if causal else shape[2] // 2
    found = kernel.new_zeros(*shape)
    found[:, :, present] = kernel
    return found


def require_learnt(model: nn.Module, taken: Collection[str] = ()) -> None:
    """Refuse frozen weights of an autoencoder that were not copied: they would stay random."""
    if not isinstance(model, Coder):
        return
    names = [name for name, p in model.named_parameters() if not p.requires_grad]
    if left := [name for name in names if name not in taken]:
        raise UsageError(
            f"{len(left)} frozen tensors (such as {left[0]}) have no trained values. Start from a "
            "model that has them with --init, or unfreeze them in [objective]."
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


def _places(
    weights: Collection[str], stage: Stage, description: Description
) -> Iterator[tuple[str, str]]:
    """The tensors of the file, each with its name in the stage's denoiser."""
    denoiser, inner = stage.denoiser, stage.denoiser.backbone.inner_network
    is_inner = bool(inner) and not any(name.startswith(f"{BACKBONE}{inner}.") for name in weights)
    places = {
        str(i): str(list(denoiser.conditioners).index(name))
        for i, (name, condition) in enumerate(description.conditions.items())
        if name in denoiser.conditioners and condition.same_as(stage.description.conditions[name])
    }
    for name in weights:
        if name.startswith(BACKBONE):
            yield name, f"{BACKBONE}{inner}.{name.removeprefix(BACKBONE)}" if is_inner else name
        elif name.startswith(TOLD):
            yield name, name
        elif name.startswith(CONDITIONERS):
            place, _, rest = name.removeprefix(CONDITIONERS).partition(".")
            if place in places:
                yield name, f"{CONDITIONERS}{places[place]}.{rest}"


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


def _left(
    weights: Mapping[str, Tensor], taken: Collection[str], description: Description
) -> dict[str, int]:
    """The parts of the network and the conditions of a model file that were not copied, the largest
    first, with the count of their numbers.
    """
    names = {name for name in weights if name.startswith((BACKBONE, CONDITIONERS))} - set(taken)
    parts = _parts(names, taken, list(description.conditions))
    counts = {part: _numbers(weights[name] for name in its) for part, its in parts.items()}
    return dict(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def _parts(
    names: Collection[str], taken: Collection[str], conditions: Collection[str]
) -> dict[str, list[str]]:
    """Tensors by the part that they belong to: a condition, or the largest part of the network that
    holds no tensor that was taken.
    """
    found = dict[str, list[str]]()
    for name in names:
        head, *rest = name.split(".")
        if head == CONDITIONERS[:-1]:
            part = list(conditions)[int(rest[0])]
        else:
            paths = [".".join([head, *rest[: i + 1]]) for i in range(max(len(rest) - 1, 1))]
            part = next(
                (p for p in paths if not any(t.startswith(f"{p}.") for t in taken)), paths[-1]
            )
        found.setdefault(part, []).append(name)
    return found
