"""The recurrent interface network (Jabri et al. 2022, arXiv:2212.11972).

A few latent tokens read from the patches, think, and write to the patches. Most of the work does
not depend on the number of patches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..backbone import Backbone, Interface, Signals
from ..embedding import NoiseEmbedding
from ..layers import linear
from ..recompute import recompute
from .attention import TokenCrossAttention, heads_of, keys
from .block import Block, Sizes
from .feedforward import feedforward
from .norm import RMSNorm
from .options import RINOptions
from .patches import Patches
from .rotary import sinusoids
from .sequence import Prefix


class RIN(Backbone):
    """Rounds of reading, blocks on latent tokens, and writing; the prediction is read off patches.

    ``Signals.memory`` are the latent tokens of an earlier evaluation, from which this one starts
    (latent self-conditioning, sec. 3.2); none counts as zeros.
    """

    def __init__(self, options: RINOptions, interface: Interface) -> None:
        super().__init__()
        width, outer = options.channels, options.outer
        self.patches = Patches(options, interface, outer)
        self.noise = NoiseEmbedding(width)
        self.prefix = Prefix(width, 0, interface.vector, interface.tokens)
        self.latents = nn.Parameter(0.02 * torch.randn(options.latents, width))
        self.recall = feedforward(options.feedforward, width, options.expansion)
        # memory counts for nothing at first (App. B)
        self.recalled = RMSNorm(width, scale=True, start=0.0)
        self.blocks = nn.ModuleList(Round(options) for _ in range(options.rounds))
        self.norm = RMSNorm(width)
        self.first = linear(width, width, bias=False) if options.value_residual else None
        self.head_norm = RMSNorm(outer, scale=True)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        return self.evaluate(x, c_noise, signals, mask)[0]

    def evaluate(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        h, close = self.patches.enter(x, signals.channels, mask)
        real = self.patches.real(x, mask)
        h = h + sinusoids(self.patches.coordinates(x, real), h.shape[-1]).to(h.dtype)
        real = None if real is None else real | ~real.any(-1, keepdim=True)
        z, seen = self._start(c_noise, signals, h)
        first = None if self.first is None else self.first(self.norm(z))
        for block in self.blocks:
            h, z = recompute(self, block, h, z, first, keys(real), seen)
        y = self.patches.leave(self.head_norm(h), close)
        return y, z[:, -len(self.latents) :]

    def _start(self, c_noise: Tensor, signals: Signals, h: Tensor) -> tuple[Tensor, Tensor | None]:
        """The noise level, the conditions and the latent tokens, in one sequence; which are seen."""
        latents = self.latents.to(h.dtype).expand(len(h), -1, -1)
        memory = signals.memory
        memory = torch.zeros_like(latents) if memory is None else memory.detach().to(h.dtype)
        latents = latents + self.recalled(memory + self.recall(memory))
        noise = self.noise(c_noise, None).unsqueeze(1).to(h.dtype)
        prefix, mask = self.prefix(signals, latents)
        parts = (noise, latents) if prefix is None else (noise, prefix, latents)
        if mask is not None:
            mask = nn.functional.pad(mask, (1, latents.shape[1]), value=True)
        return torch.cat(parts, 1), keys(mask)


class Round(nn.Module):
    """Latent tokens read from the patches, pass blocks, and write to the patches (Fig. 2).

    A new round is the identity.
    """

    def __init__(self, options: RINOptions) -> None:
        super().__init__()
        width, outer = options.channels, options.outer
        heads, few = heads_of(width, options.head_width), heads_of(outer, options.head_width)
        self.read_norm, self.read_from = RMSNorm(width, scale=True), RMSNorm(outer, scale=True)
        self.read = TokenCrossAttention(width, heads, outer, options.qk_norm)
        # a shared modulation without an embedding is a learned scale, shift and gate
        self.blocks = nn.ModuleList(
            Block(options, Sizes(heads, 0, shared=True)) for _ in range(options.blocks_per_round)
        )
        self.write_norm, self.write_from = RMSNorm(outer, scale=True), RMSNorm(width, scale=True)
        self.write = TokenCrossAttention(outer, few, width, options.qk_norm)
        self.norm = RMSNorm(outer, scale=True)
        self.feedforward = feedforward(options.feedforward, outer, options.expansion, gain=0.0)
        self.gate = nn.Parameter(torch.ones(outer))  # as in a ``Block`` that nothing modulates

    def forward(
        self,
        h: Tensor,
        z: Tensor,
        first: Tensor | None,
        real: Tensor | None,
        seen: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Patches ``h [b, n, outer]`` and latent tokens ``z [b, m, width]`` -> both.

        Args:
            real, seen: which patches are read, and which latent tokens are seen, for ``attend``.
        """
        z = z + self.read(self.read_norm(z), self.read_from(h), real)
        for block in self.blocks:
            z = block(z, z.new_zeros(len(z), 1), None, first, seen)
        h = h + self.write(self.write_norm(h), self.write_from(z), seen)
        return h + self.gate * self.feedforward(self.norm(h)), z
