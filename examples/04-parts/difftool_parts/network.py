"""A backbone: a plain network of convolutions for pictures."""

import torch.nn.functional as F
from torch import nn

from difftool import Backbone, NoiseEmbedding, UsageError, conv, linear


class Plain(Backbone):
    """Residual convolutions at one resolution, each steered by the noise level and the vector."""

    def __init__(self, options, interface):
        super().__init__()
        if interface.tokens or interface.channels:
            raise UsageError("plain takes no tokens or channels. Use backbone.use = unet for them.")
        channels, width = interface.shape[0], options.channels
        self.embedding = NoiseEmbedding(4 * width, interface.vector)
        self.first, self.last = conv(2, channels, width), conv(2, width, channels)
        self.layers = nn.ModuleList(conv(2, width, width) for _ in range(options.layers))
        self.shifts = nn.ModuleList(linear(4 * width, width) for _ in range(options.layers))

    def forward(self, x, c_noise, signals, mask=None):
        emb = self.embedding(c_noise, signals.vector)

        def real(h):
            return (
                h if mask is None else h * mask
            )  # a convolution mixes padding with its neighbours

        h = self.first(real(x))
        for layer, shift in zip(self.layers, self.shifts, strict=True):
            h = h + layer(real(F.silu(h + shift(emb)[:, :, None, None])))
        return self.last(real(h))
