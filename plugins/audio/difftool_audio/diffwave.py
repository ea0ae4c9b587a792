"""DiffWave: gated dilated convolutions at full rate.

Kong et al. 2021, arXiv:2009.09761, Fig. 2.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from difftool import Backbone, Interface, NoiseEmbedding, Signals, UsageError

from .network_options import DiffWaveOptions

EMBEDDING = 512
"""Width of the noise embedding (Kong et al. 2021, Sec. 3.1)."""


class DiffWave(Backbone):
    """A chain of residual layers, whose dilations double along each cycle; what comes out is made
    of the sum of their skips.

    The global vector and the channels beside x are biases of every dilated convolution (Sec. 3.2
    and 3.3). Any length will do.

    Raises:
        UsageError: examples have other than one axis beside their channels, or a condition is a
            sequence of tokens.
    """

    def __init__(self, options: DiffWaveOptions, interface: Interface) -> None:
        super().__init__()
        inputs, width = _inputs(interface), options.channels
        self.embedding = NoiseEmbedding(EMBEDDING)
        self.stem = convolution(inputs, width, 1)
        self.layers = nn.ModuleList(
            Layer(width, interface, dilation=2 ** (i % options.cycle), last=i == options.layers - 1)
            for i in range(options.layers)
        )
        self.outer = convolution(width, width, 1)
        self.head = convolution(width, inputs, 1, gain=0)

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        real = None if mask is None else mask.any(1, keepdim=True)
        h, total = F.relu(self.stem(x)), None
        noise = self.embedding(c_noise, None)
        for layer in self.layers:
            h, skip = self._run(layer, h, noise, signals.vector, signals.channels, real)
            total = skip if total is None else total + skip
        return self.head(F.relu(self.outer(total * len(self.layers) ** -0.5)))

    def _run(self, layer: nn.Module, *args: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.checkpointing and torch.is_grad_enabled():
            return checkpoint(layer, *args, use_reentrant=False)
        return layer(*args)


class Layer(nn.Module):
    """One residual layer.

    Args:
        last: there is no layer after it, so that it has a skip only.
    """

    def __init__(self, width: int, interface: Interface, dilation: int, last: bool) -> None:
        super().__init__()
        self.noise = nn.Linear(EMBEDDING, width)
        self.vector = (
            nn.Linear(interface.vector, 2 * width, bias=False) if interface.vector else None
        )
        self.beside = convolution(interface.channels, 2 * width, 1) if interface.channels else None
        self.dilated = convolution(width, 2 * width, 3, dilation)
        self.out = convolution(width, width if last else 2 * width, 1)

    def forward(
        self,
        x: Tensor,
        noise: Tensor,
        vector: Tensor | None,
        channels: Tensor | None,
        mask: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """``x [b, width, n]``, ``noise [b, 512]``, ``vector [b, v]``, ``channels [b, c, n]``,
        ``mask [b, 1, n]`` -> next x, skip.
        """
        h = x + self.noise(noise).unsqueeze(2)
        h = self.dilated(
            h if mask is None else h * mask.to(h.dtype)
        )  # zeros on padding, as the convolution sees the outside
        if self.vector is not None:
            h = h + self.vector(vector).unsqueeze(2)
        if self.beside is not None:
            h = h + self.beside(channels)
        gate, value = h.chunk(2, 1)
        h = self.out(gate.sigmoid() * value.tanh())
        if h.shape[1] == x.shape[1]:
            return x, h
        rest, skip = h.chunk(2, 1)
        return (x + rest) * math.sqrt(0.5), skip


def convolution(
    inputs: int, outputs: int, kernel: int, dilation: int = 1, gain: float = 1.0
) -> nn.Conv1d:
    """A convolution that keeps the length, initialised as the paper's authors do (He et al. 2015),
    its weights times ``gain``.
    """
    layer = nn.Conv1d(inputs, outputs, kernel, padding=dilation * (kernel // 2), dilation=dilation)
    with torch.no_grad():
        nn.init.kaiming_normal_(layer.weight).mul_(gain)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return layer


def _inputs(interface: Interface) -> int:
    """The number of channels of an example. Raises UsageError for examples or signals that do not
    fit.
    """
    if len(interface.shape) != 2 or interface.shape[0] is None:
        raise UsageError(
            f"diffwave works along one axis, and an encoded example is {interface.shape}. Use it "
            "with the representation waveform, or choose another backbone: unet."
        )
    if interface.tokens:
        raise UsageError(
            "diffwave cannot attend to a sequence of tokens, as a condition gives one here. "
            "Choose another backbone: unet1d."
        )
    return interface.shape[0]
