"""The magnitude-preserving U-Net of EDM2 (Karras et al. 2024, arXiv:2312.02696, config G).

Written from the paper: sec. 2 and 4, App. B, Table 6 and Fig. 21.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, head_count
from .backbone import Interface, Signals
from .embedding import Fourier
from .layers import entered, masked
from .levels import Direction, LevelBlock, LevelUNet, Place, Side, axes_of, level_masks, positions
from .magnitude import MPLayer, force, mp_cat, mp_silu, mp_sum, pixel_norm
from .options import Edm2Options


class Edm2(LevelUNet):
    """Levels of magnitude-preserving blocks.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: Edm2Options, interface: Interface) -> None:
        super().__init__()
        channels, sizes = axes_of(interface, "edm2")
        d, self.levels = len(sizes), len(options.multipliers)

        def block(place: Place) -> LevelBlock:
            attends = positions(sizes, place.level) <= options.attention
            if place.side == "middle":
                attends = place.nth == 0
            return Edm2Block(options, d, place, attends, interface.tokens)

        def resample(width: int, direction: Direction) -> LevelBlock:
            side: Side = "encoder" if direction == "down" else "decoder"
            return Edm2Block(
                options, d, Place(0, width, width, side, 0, 1), False, resample=direction
            )

        self.embedding = Embedding(options.width, options.channels, interface.vector)
        widths = [options.channels * m for m in options.multipliers]
        # one further channel of ones takes the place of biases
        self.stem = MPLayer(d, channels + interface.channels + 1, widths[0], 3)
        self.build(widths, options.blocks, widths[0], block, resample)
        self.head = MPLayer(d, widths[0], channels, 3)
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        masks = level_masks(x, mask, self.levels)
        ones = torch.ones_like(x[:, :1])
        further = (ones,) if signals.channels is None else (signals.channels, ones)
        h = self.stem(entered(x, further, mask))
        h = self.walk(h, masks, self.embedding(c_noise, signals.vector), signals)
        return self.head(masked(h, masks[0]), self.gain)

    def join(self, h: Tensor, skip: Tensor) -> Tensor:
        return mp_cat(h, skip)

    def stepped(self) -> None:
        force(self.modules())


class Embedding(nn.Module):
    """The noise level and the global vector, in equal parts (Fig. 21, left)."""

    def __init__(self, width: int, features: int, vector: int) -> None:
        super().__init__()
        self.features = Fourier(features)
        self.noise = MPLayer(0, 2 * (features // 2), width)
        self.vector = MPLayer(0, vector, width) if vector else None

    def forward(self, c_noise: Tensor, vector: Tensor | None) -> Tensor:
        h = self.noise(self.features(c_noise))
        if self.vector is not None and vector is not None:
            h = mp_sum(h, self.vector(pixel_norm(vector)), 0.5)
        return mp_silu(h)


class Edm2Block(LevelBlock):
    """A residual block of the encoder or the decoder, then attention (Fig. 21, right).

    Args:
        place: in the decoder and the middle, the main path is not normalised.
        resample: "down" averages, "up" repeats, each by 2 along every axis; "" keeps the size.
        tokens: width of the tokens for cross-attention; 0 for none.
    """

    def __init__(
        self,
        options: Edm2Options,
        dimension: int,
        place: Place,
        attends: bool,
        tokens: int = 0,
        resample: Direction = "",
    ) -> None:
        super().__init__()
        _, inputs, outputs, side, *_ = place
        decodes = side != "encoder"
        self.decodes, self.resample = decodes, resample
        self.balance, self.dropout = options.balance, options.dropout
        self.conv1 = MPLayer(dimension, inputs if decodes else outputs, outputs, 3)
        self.film = MPLayer(0, options.width, outputs)
        self.gain = nn.Parameter(torch.zeros(()))
        self.conv2 = MPLayer(dimension, outputs, outputs, 3)
        self.skip = MPLayer(dimension, inputs, outputs) if inputs != outputs else None
        heads = head_count(outputs, options.head_width)
        self.attention = CosineAttention(outputs, heads, self.balance) if attends else None
        crosses = attends and tokens
        self.cross = CosineAttention(outputs, heads, self.balance, tokens) if crosses else None

    def forward(
        self,
        x: Tensor,
        embedding: Tensor,
        tokens: Tensor | None,
        token_mask: Tensor | None,
        before: Tensor | None,
        after: Tensor | None,
        sizes: torch.Size,
    ) -> Tensor:
        """``x [b, c, ...]`` -> ``[b, outputs, *sizes]``, with arbitrary values on padding.

        Args:
            before, after: the masks of the input and of the output.
        """
        x = self.resampled(masked(x, before), before, sizes)
        if not self.decodes:
            x = pixel_norm(x if self.skip is None else self.skip(x))
        h = self.conv1(masked(mp_silu(x), after))
        film = self.film(embedding, self.gain) + 1
        h = mp_silu(h * film.reshape(*film.shape, *(1,) * (h.ndim - 2)).to(h.dtype))
        if self.dropout:
            h = F.dropout(h, self.dropout, self.training)
        h = self.conv2(masked(h, after))
        if self.decodes and self.skip is not None:
            x = self.skip(x)
        x = mp_sum(x, h, self.balance)
        if self.attention is not None:
            x = self.attention(x, None, _keys(after))
        if self.cross is not None and tokens is not None:
            seen = None if token_mask is None else token_mask[:, None, None]
            x = self.cross(x, tokens, seen)
        return x


class CosineAttention(nn.Module):
    """Attention between queries, keys and values of unit magnitude (sec. 2.1, Eq. 36).

    Args:
        tokens: width of the tokens that positions attend to; 0 for the positions themselves.
    """

    self_attention = True

    def __init__(self, channels: int, heads: int, balance: float, tokens: int = 0) -> None:
        super().__init__()
        self.heads, self.balance = heads, balance
        self.query = MPLayer(0, channels, channels)
        self.key_value = MPLayer(0, tokens or channels, 2 * channels)
        self.out = MPLayer(0, channels, channels)

    def forward(self, x: Tensor, tokens: Tensor | None, seen: Tensor | None) -> Tensor:
        """``x [b, c, ...]``, ``tokens [b, n, tokens]`` -> like ``x``; ``seen`` as in ``attend``."""
        h = x.flatten(2).transpose(1, 2)
        key, value = self.key_value(h if tokens is None else tokens).chunk(2, -1)
        query, key, value = (
            pixel_norm(t.unflatten(-1, (self.heads, -1)), -1).transpose(1, 2)
            for t in (self.query(h), key, value)
        )
        h = self.out(attend(query, key, value, seen).transpose(1, 2).flatten(2))
        return mp_sum(x, h.transpose(1, 2).reshape(x.shape), self.balance)


def _keys(mask: Tensor | None) -> Tensor | None:
    """Which positions are seen, ``[b, 1, 1, n]``; where none is real, all are."""
    if mask is None:
        return None
    real = mask.flatten(2).bool().unsqueeze(1)
    return real | ~real.any(-1, keepdim=True)
