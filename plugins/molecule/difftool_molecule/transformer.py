"""The diffusion transformer on atoms: each atom is a token, and distances are a bias of attention.

A plain transformer with rotated training molecules in place of an equivariant network (Vonessen et
al. 2025, arXiv:2507.00899); distances as a bias as in Ying et al. 2021, arXiv:2106.05234, sec.
3.1.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from difftool import (
    Backbone,
    Fourier,
    Interface,
    Signals,
    Transformer,
    UsageError,
    linear,
    recompute,
)

from .centred import AXES, centre
from .messages import Messages, ways
from .network_options import AtomTransformerOptions


class AtomTransformer(Backbone):
    """Atoms as tokens, blocks over all of them, and atoms again.

    The network is equivariant to permutations and translations, not to rotations: train it with
    ``modality.rotate``. Channels next to x, ``[b, c, n]``, are joined to the atoms' features.

    Raises:
        UsageError: examples are not points with features.
    """

    def __init__(self, options: AtomTransformerOptions, interface: Interface) -> None:
        super().__init__()
        inputs = interface.shape[-1]
        if len(interface.shape) != 2 or inputs is None or inputs < AXES:
            raise UsageError(
                f"dit-atoms works on points with features, (points, 3 + features), and an encoded "
                f"example is {interface.shape}. Use it with the representation pointcloud, or "
                "choose another backbone: dit."
            )
        self.transformer = Transformer(options, interface.vector, interface.tokens)
        self.stem = linear(inputs + interface.channels, options.channels)
        self.distances = DistanceBias(options, self.transformer.heads)
        self.head = linear(options.channels, inputs, gain=0)
        sizes = (options.channels, options.pair_width, options.messages)
        self.before, self.behind = (
            Messages(*sizes) if options.messages else None for _ in range(2)
        )

    @property
    def blocks(self) -> nn.ModuleList:
        """Equal modules, each called as ``block(tokens, ...)`` with tensors of the same shapes."""
        return self.transformer.blocks

    def regions(self) -> Iterator[nn.Module]:
        yield from self.blocks

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, n, 3 + f]``, ``mask [b or 1, n, 1]`` -> like ``x``, positions with zero mean,
        zero on padding.
        """
        real = None if mask is None else mask.bool().any(-1, keepdim=True).expand(*x.shape[:2], 1)
        x = x if mask is None else x * mask
        beside = () if signals.channels is None else (signals.channels.mT.to(x.dtype),)
        positions = x[..., :AXES]
        scores, pairs = self.distances(
            positions, self.transformer.embedding(c_noise, signals.vector)
        )
        directions = ways(positions, real) if self.before is not None else positions
        heard = partial(_heard, pairs=pairs, directions=directions)
        h = self.transformer(
            heard(self.before, self.stem(torch.cat((x, *beside), -1))),
            c_noise,
            signals,
            run=partial(recompute, self),
            mask=None if real is None else real.squeeze(-1),
            scores=scores,
        )
        y = self.head(heard(self.behind, h))
        moved = y[..., :AXES] - centre(y[..., :AXES], real)
        y = torch.cat((moved, y[..., AXES:]), -1)
        return y if real is None else y * real


def _heard(messages: Messages | None, h: Tensor, pairs: Tensor, directions: Tensor) -> Tensor:
    """The tokens ``h [b, n, width]`` with what the other atoms tell them."""
    return h if messages is None else h + messages(h, pairs, directions)


class DistanceBias(nn.Module):
    """What the distance of two atoms adds to the scores of each head of each block.

    A distance means less where there is more noise, so the noise level enters as well. The bias is
    zero at first.
    """

    def __init__(self, options: AtomTransformerOptions, heads: int) -> None:
        super().__init__()
        hidden = options.pair_width
        self.shape = (options.layers, heads)
        self.features = Fourier(options.pair_width, low=0.3, high=30.0)
        self.inner = linear(hidden, hidden)
        self.noise = linear(options.channels, hidden)
        self.outer = linear(hidden, options.layers * heads, gain=0)

    def forward(self, positions: Tensor, embedding: Tensor) -> tuple[list[Tensor], Tensor]:
        """``positions [b, n, 3]``, ``embedding [b, width]`` -> ``[b, heads, n, n]`` for each block, and
        what is known of each pair, ``[b, n, n, pair_width]``.
        """
        between = positions[:, :, None] - positions[:, None]
        distance = (between.square().sum(-1) + 1e-8).sqrt()  # a root has no slope at zero
        h = self.inner(self.features(distance)) + self.noise(embedding)[:, None, None]
        pairs = F.silu(h)
        bias = self.outer(pairs).permute(0, 3, 1, 2).unflatten(1, self.shape)
        return list(bias.unbind(1)), pairs
