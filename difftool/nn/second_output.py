"""A second output of any network: numbers for each entry of the example, such as variances.

Nichol & Dhariwal 2021, arXiv:2102.09672, Sec. 3.1, double the channels of the output. Here the
input has as many, of which the further ones are zero: so a network of any kind serves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .backbone import Interface


@dataclass(frozen=True, slots=True)
class SecondOutput:
    """The second half of the channels that a network gives.

    Attributes:
        width: channels of an example.
        axis: axis of the channels of ``x [b, ...]``: 1, or the last for points with features.
    """

    width: int
    axis: int

    @classmethod
    def of(cls, interface: Interface) -> SecondOutput:
        """For examples of this shape: where the first axis varies, they are points."""
        axis = 0 if interface.shape[0] is not None else len(interface.shape) - 1
        width = interface.shape[axis]
        assert width is not None
        return cls(width, axis + 1)

    def doubled(self, interface: Interface) -> Interface:
        """The interface of a network with both outputs."""
        at = self.axis - 1
        shape = (*interface.shape[:at], 2 * self.width, *interface.shape[at + 1 :])
        return replace(interface, shape=shape)

    def entered(self, x: Tensor) -> Tensor:
        """The example with empty channels, as many as it has."""
        return torch.cat((x, torch.zeros_like(x)), self.axis)

    def parted(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Both outputs, each of the shape of the example."""
        first, second = output.chunk(2, self.axis)
        return first, second


def fraction_of(second: Tensor, mean: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """v of learned variances, from a second output whose range is about -1 to 1   (Eq. 15).

    Args:
        mean: ``[b, ...] -> [b]``, where an example has one variance: v is then ``[b, 1, ...]``.
    """
    v = (second + 1) / 2
    return v if mean is None else mean(v).reshape(-1, *(1,) * (v.ndim - 1))
