"""Self-conditioning: the network is shown its own estimate of the step before.

Chen et al. 2022, arXiv:2208.04202, sec. 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .backbone import Interface, Signals


@dataclass(frozen=True, slots=True)
class SelfConditioning:
    """The estimate as further input channels of any network.

    Attributes:
        width: channels of an example.
        points: examples are points with features, ``[b, n, f]``, and not channels first.
    """

    width: int
    points: bool

    @classmethod
    def of(cls, interface: Interface) -> SelfConditioning:
        """For examples of this shape: where the first axis varies, they are points."""
        points = interface.shape[0] is None
        width = interface.shape[-1 if points else 0]
        assert width is not None
        return cls(width, points)

    def shown(self, interface: Interface) -> Interface:
        """The interface of a network that is shown its estimate."""
        return replace(interface, channels=interface.channels + self.width)

    def signals(self, signals: Signals, x: Tensor, sigma_data: float) -> Signals:
        """The signals with the estimate in ``memory``, or zeros, among their channels.

        It has unit variance, like the network's input.
        """
        estimate = torch.zeros_like(x) if signals.memory is None else signals.memory / sigma_data
        channels = estimate.mT if self.points else estimate
        if signals.channels is not None:
            channels = torch.cat((signals.channels, channels.to(signals.channels.dtype)), 1)
        return replace(signals, channels=channels, memory=None)
