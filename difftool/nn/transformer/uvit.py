"""U-ViT: a transformer whose long skips join shallow and deep blocks.

Bao et al. 2022, arXiv:2209.12152.

The noise level and the conditions are tokens of the sequence, so the blocks are not modulated.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backbone import Backbone, Interface, Signals
from ..embedding import NoiseEmbedding
from ..layers import conv, linear, masked, real_positions
from ..recompute import recompute
from .attention import heads_of, keys
from .block import Block, Sizes
from .norm import RMSNorm
from .options import UViTOptions
from .patches import Patches
from .rotary import Rotary, sinusoids, turned
from .sequence import Prefix, lengthened, real_tokens


class UViT(Backbone):
    """Blocks in two halves: those of the second take a skip from their counterpart in the first.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: UViTOptions, interface: Interface) -> None:
        super().__init__()
        width, heads = options.channels, heads_of(options.channels, options.head_width)
        self.options = options
        self.patches = Patches(options, interface, width)
        self.rotary = Rotary(width // heads, self.patches.axes, options.theta)
        self.noise = NoiseEmbedding(width)
        self.prefix = Prefix(width, 0, interface.vector, interface.tokens)
        self.first = linear(width, width, bias=False) if options.value_residual else None
        # a shared modulation without an embedding is a learned scale, shift and gate
        sizes = Sizes(heads, 0, shared=True)
        self.blocks = nn.ModuleList(Block(options, sizes) for _ in range(options.layers))
        self.paired = (options.layers - 1) // 2
        self.skips = nn.ModuleList(linear(2 * width, width) for _ in range(self.paired))
        self.norm = RMSNorm(width, scale=True)
        channels = interface.shape[0]
        assert channels is not None
        self.conv = conv(self.patches.axes, channels, channels) if options.convolution else None

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        real = self.patches.real(x, mask)
        places = self.patches.coordinates(x, real)
        h, close = self.patches.enter(x, signals.channels, mask)
        if self.options.absolute:
            h = h + sinusoids(places, h.shape[-1]).to(h.dtype)
        prefix, prefix_mask = self._prefix(c_noise, signals, h)
        length = prefix.shape[1]
        seen = keys(real_tokens(h, real, prefix, prefix_mask))
        h = lengthened(h, prefix)
        turn = turned(self.rotary(places), length)
        first = None if self.first is None else self.first(h)
        h = self._walk(h, h.new_zeros(len(h), 1), turn, first, seen)
        y = self.patches.leave(self.norm(h[:, length:]), close)
        if self.conv is None:
            return y
        return self.conv(masked(y, None if mask is None else real_positions(x, mask)))

    def _walk(self, h: Tensor, *inputs: Tensor | None) -> Tensor:
        """The blocks, with a skip from each of the first half to its counterpart in the second."""
        kept = list[Tensor]()
        for i, block in enumerate(self.blocks):
            place = i - (len(self.blocks) - self.paired)
            if place >= 0:
                h = self.skips[place](torch.cat((h, kept.pop()), -1))
            h = recompute(self, block, h, *inputs)
            if i < self.paired:
                kept.append(h)
        return h

    def _prefix(self, c_noise: Tensor, signals: Signals, h: Tensor) -> tuple[Tensor, Tensor | None]:
        """The noise level, then the conditions, as tokens; and which of them are real."""
        noise = self.noise(c_noise, None).unsqueeze(1).to(h.dtype)
        more, mask = self.prefix(signals, h)
        if mask is not None:
            mask = nn.functional.pad(mask, (1, 0), value=True)
        return (noise if more is None else torch.cat((noise, more), 1)), mask
