"""A backbone for examples without places: a residual network of linear layers."""

import torch.nn.functional as F
from torch import nn

from difftool import Backbone, NoiseEmbedding, UsageError, linear


class Mlp(Backbone):
    """All entries of an example as one vector."""

    def __init__(self, options, interface):
        super().__init__()
        if None in interface.shape or interface.tokens or interface.channels:
            raise UsageError("mlp takes examples of one shape, and no tokens or channels.")
        size, width = 1, options.width
        for n in interface.shape:
            size *= n
        self.embedding = NoiseEmbedding(width, interface.vector)
        self.first, self.last = linear(size, width), linear(width, size, gain=0)
        self.layers = nn.ModuleList(linear(width, width) for _ in range(options.layers))
        self.shifts = nn.ModuleList(linear(width, width) for _ in range(options.layers))

    def forward(self, x, c_noise, signals, mask=None):
        h, emb = self.first(x.flatten(1)), self.embedding(c_noise, signals.vector)
        for layer, shift in zip(self.layers, self.shifts, strict=True):
            h = h + layer(F.silu(h + shift(emb)))
        return self.last(F.silu(h)).reshape(x.shape)
