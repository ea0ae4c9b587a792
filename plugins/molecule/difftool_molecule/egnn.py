"""The E(n)-equivariant graph network over all pairs of atoms (Satorras et al. 2021,
arXiv:2102.09844), as in Hoogeboom et al. 2022.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from difftool import Backbone, Interface, NoiseEmbedding, Signals, UsageError, linear

from .centred import AXES, centre
from .edges import Edges
from .network_options import EgnnOptions
from .pairs import Company, Pairs, company, pairs


class Egnn(Backbone):
    """Blocks of messages between atoms, each of which then moves the atoms along the lines between
    them.

    What is said of the atoms does not change when a molecule is moved, turned or mirrored; how they
    are moved turns with it. The answer for positions is how far they were moved in all, without
    what they were moved together. The global vector and the noise level enter the atoms' features,
    and scale and shift these in every block; channels next to x, ``[b, c, n]``, are joined to the
    atoms' features.

    Raises:
        UsageError: examples are not points with features, or a condition is a sequence of tokens.
    """

    def __init__(self, options: EgnnOptions, interface: Interface) -> None:
        super().__init__()
        inputs, width = _inputs(interface), options.features
        self.options = options
        self.embedding = NoiseEmbedding(options.embedding, interface.vector)
        self.stem = nn.Linear(inputs + interface.channels, width)
        self.noise = nn.Linear(options.embedding, width)
        self.blocks = nn.ModuleList(Block(options) for _ in range(options.layers))
        self.head = linear(width, inputs, gain=0)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, n, 3 + f]``, ``mask [b or 1, n, 1]`` -> like ``x``, positions with zero mean,
        zero on padding.
        """
        x = x if mask is None else x * mask
        real = _real(x, mask)
        there = company(real, self.options.aggregation == "mean", self.options.divisor)
        start, features = x[..., :AXES], x[..., AXES:]
        steer = self.embedding(c_noise, signals.vector)
        beside = (
            features
            if signals.channels is None
            else torch.cat((features, signals.channels.mT.to(x.dtype)), -1)
        )
        h, positions = (self.stem(beside) + self.noise(steer).unsqueeze(1)).to(x.dtype), start
        first = pairs(start, there, self.options.norm_constant, reflections=True).squared
        for block in self.blocks:
            h, positions = self._run(block, h, positions, first, steer, there)
        moved = positions - start
        return torch.cat((moved - centre(moved, real), self.head(h).to(x.dtype)), -1) * real

    def _run(self, block: nn.Module, *args: object) -> tuple[Tensor, Tensor]:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(block, *args, use_reentrant=False)
        return block(*args)


class Block(nn.Module):
    """Messages, then motion.

    Satorras et al. 2021, Eq. 3 to 6; the order, gates and bounds of Hoogeboom et al. 2022,
    arXiv:2203.17003.
    """

    def __init__(self, options: EgnnOptions) -> None:
        super().__init__()
        self.options = options
        self.messages = nn.ModuleList(Messages(options) for _ in range(options.sublayers))
        self.motion = Motion(options)

    def forward(
        self, h: Tensor, positions: Tensor, first: Tensor, steer: Tensor, there: Company
    ) -> tuple[Tensor, Tensor]:
        """``h [b, n, features]``, ``positions [b, n, 3]``, ``first [b, n, n]``, squared distances
        before the first block.
        """
        between = pairs(positions, there, self.options.norm_constant, self.options.reflections)
        lengths = torch.stack((between.squared, first), -1)
        for messages in self.messages:
            h = messages(h, lengths, steer, there)
        return h, positions + self.motion(h, lengths, between, there)


class Messages(nn.Module):
    """Every atom gets information from all others: a gated sum of the edges' outputs."""

    def __init__(self, options: EgnnOptions) -> None:
        super().__init__()
        width = options.features
        self.film = _silent(nn.Linear(options.embedding, 2 * width))
        self.edges = Edges(width)
        self.gate = nn.Linear(width, 1) if options.attention else None
        self.inner = nn.Linear(2 * width, width)
        self.outer = nn.Linear(width, width)

    def forward(self, h: Tensor, lengths: Tensor, steer: Tensor, there: Company) -> Tensor:
        scale, shift = self.film(steer).unsqueeze(1).chunk(2, -1)
        steered = shift + h * (1 + scale)
        gathered = self.edges.gathered(steered, lengths, there, self.gate) * there.share
        return h + self.outer(F.silu(self.inner(torch.cat((steered, gathered), -1))))


class Motion(nn.Module):
    """Every atom moves along the lines to all others, by the lengths that the edges give.

    This is computed in at least single precision.
    """

    def __init__(self, options: EgnnOptions) -> None:
        super().__init__()
        self.reach = options.range / options.layers if options.tanh else 0.0
        self.edges = Edges(options.features)
        self.far = _silent(nn.Linear(options.features, 1 if options.reflections else 2, bias=False))

    def forward(self, h: Tensor, lengths: Tensor, between: Pairs, there: Company) -> Tensor:
        """By how much, ``[b, n, 3]``."""
        far = self.edges.read_out(h, lengths, there, self.far).to(lengths.dtype)
        far = (far.tanh() * self.reach if self.reach else far) * there.others.unsqueeze(-1)
        arrows = between.arrows.unflatten(-1, (-1, AXES))
        return (far.unsqueeze(-1) * arrows).sum((2, 3)) * there.share


def _silent(layer: nn.Linear) -> nn.Linear:
    """A layer whose output is zero at first."""
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    return layer


def _real(x: Tensor, mask: Tensor | None) -> Tensor:
    """The mask of real points, ``[b, n, 1]``."""
    b, n, _ = x.shape
    if mask is None:
        return torch.ones(b, n, 1, dtype=torch.bool, device=x.device)
    return mask.bool().any(-1, keepdim=True).expand(b, n, 1)


def _inputs(interface: Interface) -> int:
    """The number of features of a point.

    Raises UsageError for examples or signals that do not fit.
    """
    if len(interface.shape) != 2 or (width := interface.shape[1]) is None or width <= AXES:
        raise UsageError(
            "egnn works on points in space with features, (points, 3 + features), and an encoded "
            f"example is {interface.shape}. Use it with the representation pointcloud, or choose "
            "another backbone: unet."
        )
    if interface.tokens:
        raise UsageError(
            "egnn attends to no sequence of tokens. Use a condition that is a label, a number or "
            "a vector; for a text, set conditions.NAME.tokens = false."
        )
    return width - AXES
