"""Changes of trained weights that are learnt beside them: adapters.

Each is a parametrization of one tensor: W -> W + change(W). The trained weights themselves never
change, so the change can be stored by itself, scaled, added to others and taken back. A new adapter
changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .frozen import Frozen


class Adapter(nn.Module):
    """A parametrization of one tensor."""

    def combined(self, weight: Tensor, **own: Tensor) -> Tensor:
        """The tensor in place of ``weight``, with other values than the adapter's own, such as
        their averages.
        """
        raise NotImplementedError


class LowRank(Adapter):
    """W + s B A, with A ``[rank, inputs]`` and B ``[outputs, rank]`` (Hu et al. 2022,
    arXiv:2106.09685, Eq. 3), for a weight ``[outputs, inputs, ...]``.

    As DoRA, each output's row of that has a length of its own: m V / |V| (Liu et al. 2024,
    arXiv:2402.09353, Eq. 5, with |V| a constant for gradients as in Sec. 4.3). The length is
    learnt as a multiple of that of W.

    Args:
        scale: s, which is alpha / rank.
    """

    def __init__(self, weight: Tensor, rank: int, scale: float, dora: bool = False) -> None:
        super().__init__()
        outputs, inputs = weight.flatten(1).shape
        self.A = nn.Parameter(weight.new_empty(rank, inputs))
        self.B = nn.Parameter(weight.new_zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))
        self.gain = nn.Parameter(weight.new_ones(outputs)) if dora else None
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return self.combined(weight, self.A, self.B, self.gain)

    def combined(  # type: ignore[override]
        self, weight: Tensor, A: Tensor, B: Tensor, gain: Tensor | None = None
    ) -> Tensor:
        return weight + low_rank_change(weight, A, B, self.scale, gain)


def low_rank_change(
    weight: Tensor, a: Tensor, b: Tensor, scale: float, gain: Tensor | None = None
) -> Tensor:
    """What a low-rank adapter adds to a weight; ``gain`` are DoRA's lengths over those of W."""
    change = (scale * (b @ a)).reshape(weight.shape)
    if gain is None:
        return change
    turned = weight + change
    now, before = row_lengths(turned).detach(), row_lengths(weight).detach()
    return (gain * before / now).reshape(-1, *(1,) * (weight.ndim - 1)) * turned - weight


def row_lengths(weight: Tensor) -> Tensor:
    """The Euclidean length of each output's weights, ``[outputs]``; tiny for zeros."""
    return weight.flatten(1).norm(dim=1).clamp_min(torch.finfo(weight.dtype).tiny)


class Whole(Adapter):
    """W + change, of the same shape."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.change = nn.Parameter(torch.zeros_like(weight))

    def forward(self, weight: Tensor) -> Tensor:
        return self.combined(weight, self.change)

    def combined(self, weight: Tensor, change: Tensor) -> Tensor:  # type: ignore[override]
        return weight + change


class Rows(Adapter):
    """The last rows of a table are learnt, such as those of new labels.

    Args:
        first: number of the first of them.
    """

    def __init__(self, weight: Tensor, first: int) -> None:
        super().__init__()
        self.first = first
        self.change = nn.Parameter(torch.zeros_like(weight[first:]))

    def forward(self, weight: Tensor) -> Tensor:
        return self.combined(weight, self.change)

    def combined(self, weight: Tensor, change: Tensor) -> Tensor:  # type: ignore[override]
        return torch.cat((weight[: self.first], weight[self.first :] + change))


def weights_of(model: nn.Module) -> Iterator[tuple[str, nn.Module, str, Tensor]]:
    """The tensors that can have an adapter: plain name, module, its attribute, and the tensor."""
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module) or "parametrizations" in path.split("."):
            continue
        for attribute, tensor in module.named_parameters(recurse=False):
            yield f"{path}.{attribute}".lstrip("."), module, attribute, tensor


def own_weights_of(model: nn.Module) -> list[tuple[str, nn.Module, str, Tensor]]:
    """``weights_of`` without those of frozen encoders, which never change."""
    frozen = {id(m) for f in model.modules() if isinstance(f, Frozen) for m in f.modules()}
    return [one for one in weights_of(model) if id(one[1]) not in frozen]


def multiplies(module: nn.Module, attribute: str, tensor: Tensor) -> bool:
    """Whether a tensor is the weight ``[outputs, inputs, ...]`` of a linear layer or a convolution,
    in whatever class.
    """
    others = (nn.Embedding, nn.modules.conv._ConvTransposeNd)
    return attribute == "weight" and tensor.ndim >= 2 and not isinstance(module, others)


def adapt(module: nn.Module, attribute: str, adapter: nn.Module) -> None:
    """Put an adapter on a tensor of a module, which then has ``adapter(tensor)`` in its place."""
    parametrize.register_parametrization(module, attribute, adapter)


def add_low_rank(model: nn.Module, rank: int) -> None:
    """Freeze a model's weights, and put changes of low rank beside all of its own matrices."""
    found = own_weights_of(model)
    model.requires_grad_(False)
    for _, module, attribute, tensor in found:
        if multiplies(module, attribute, tensor):
            adapt(module, attribute, LowRank(tensor, rank, scale=1.0))


def adapters_of(model: nn.Module) -> dict[str, Adapter]:
    """Plain name of each adapted tensor -> its adapter."""
    found = {}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module):
            for attribute, chain in module.parametrizations.items():
                found[f"{path}.{attribute}".lstrip(".")] = chain[0]
    return found


def plain_name(name: str) -> str:
    """The name of a tensor as it is without adapters."""
    head, found, rest = name.partition("parametrizations.")
    return f"{head}{rest.removesuffix('.original')}" if found else name


def merged(adapters: Mapping[str, Adapter], tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an adapted model, under their names in it, as those of a plain model.

    Args:
        tensors: the weights and the adapters' own tensors, such as their averages.
    """
    found = {}
    for name, tensor in tensors.items():
        if "parametrizations." not in name:
            found[name] = tensor
        elif name.endswith(".original"):
            plain = plain_name(name)
            own = f"{name.removesuffix('original')}0."
            values = {
                key.removeprefix(own): value.to(tensor)
                for key, value in tensors.items()
                if key.startswith(own)
            }
            found[plain] = adapters[plain].combined(tensor, **values)
    return found
