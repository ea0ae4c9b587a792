"""The diffusion transformer over the patches of a grid (Peebles & Xie 2023, arXiv:2212.09748).

With what later networks found to help: RMS normalisation, normalised queries and keys, a residual
of values, and rotary positions (as in Li & He 2025, arXiv:2511.13720, sec. 4.4, and Yao et al.
2025, arXiv:2501.01423, sec. 4).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

from torch import Tensor, nn

from ...errors import UsageError
from ..backbone import Backbone, Interface, Signals
from ..recompute import recompute
from .axes import causal, factorised
from .options import DiTOptions
from .patches import Patches
from .rotary import Rotary, sinusoids
from .tower import Transformer


class DiT(Backbone):
    """Patches as tokens, blocks over them, and patches again.

    The number of dimensions is that of ``interface.shape`` without its channels. Any size will do.
    """

    def __init__(self, options: DiTOptions, interface: Interface) -> None:
        super().__init__()
        _possible(options, interface)
        self.options = options
        self.patches = Patches(options, interface, options.channels, within=options.causal)
        self.transformer = Transformer(options, interface.vector, interface.tokens)
        width = options.channels // self.transformer.heads
        self.rotary = Rotary(width, self.patches.axes, options.theta)

    @property
    def blocks(self) -> nn.ModuleList:
        """Equal modules, each called as ``block(tokens, ...)`` with tensors of the same shapes."""
        return self.transformer.blocks

    def regions(self) -> Iterator[nn.Module]:
        yield from self.blocks

    def forward(
        self, x: Tensor, c_noise: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        options, real = self.options, self.patches.real(x, mask)
        places = self.patches.coordinates(x, real)
        h, close = self.patches.enter(x, signals.channels, mask)
        if options.absolute:
            h = h + sinusoids(places, options.channels).to(h.dtype)
        slices, *rest = self.patches.grid(x.shape[2:])
        within, turned = math.prod(rest), options.attention == "factorised"
        h = self.transformer(
            h,
            c_noise,
            signals,
            run=partial(recompute, self),
            angles=self.rotary(places),
            mask=real,
            scores=[causal(slices, within, x.device)] if options.causal and not turned else (),
            views=(
                partial(factorised, slices=slices, within=within, in_order=options.causal)
                if turned
                else None
            ),
            pack=options.pack,
        )
        return self.patches.leave(h, close)


def _possible(options: DiTOptions, interface: Interface) -> None:
    """Raises UsageError for options that this interface does not allow."""
    if options.pack and (options.causal or options.attention != "full"):
        raise UsageError(
            "backbone.pack leaves padding out of attention over all tokens. Set causal to false and "
            "attention to 'full', or pack to false."
        )
    if options.attention == "full":
        return
    in_context = (options.registers, interface.vector * (options.vector == "context"))
    if any(in_context) or (interface.tokens and options.tokens == "context"):
        raise UsageError(
            "backbone.attention = 'factorised' cannot have registers or conditions as tokens of "
            "the sequence. Set registers to 0, vector to 'modulation' and tokens to 'cross', "
            "because slices share no token."
        )
    if len(interface.shape) < 3:
        raise UsageError(
            "backbone.attention = 'factorised' needs examples of two or more axes. Use 'full'."
        )
