"""What the other atoms around an atom tell it: sums by distance, and along directions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from difftool import linear

USUAL = 4.0
"""The root of the number of atoms that messages come from, about; sums are divided by it."""


class Messages(nn.Module):
    """``sum_j filter(d_ij) value_j`` and the same along the unit vectors from j to i, as tokens.

    Continuous filters (Schütt et al. 2017, arXiv:1706.08566, Eq. 3), with directions as in Schütt et
    al. 2021, arXiv:2102.03150, sec. 4. A transformer has to learn from atoms' places alone who is
    beside whom; here it is told.

    Args:
        width: of the tokens.
        pair_width: of what is known of a pair.
        channels: of the messages.
    """

    def __init__(self, width: int, pair_width: int, channels: int) -> None:
        super().__init__()
        self.value = linear(width, channels)
        self.filter = linear(pair_width, channels)
        self.out = linear(4 * channels, width)

    def forward(self, tokens: Tensor, pairs: Tensor, ways: Tensor) -> Tensor:
        """``tokens [b, n, width] -> [b, n, width]``.

        Args:
            pairs: ``[b, n, n, pair_width]``.
            ways: ``[b, n, n, 4]``, of ``ways``.
        """
        messages = self.filter(pairs) * self.value(tokens).unsqueeze(1)
        heard = messages.mT @ ways.to(messages.dtype)
        return self.out(heard.flatten(2) / USUAL)


def ways(positions: Tensor, real: Tensor | None) -> Tensor:
    """``positions [b, n, 3] -> [b, n, n, 4]``: one, and the direction from j to i, shorter where they
    are near; all zero for an atom itself and for padding, as ``real [b, n, 1]`` says.
    """
    between = positions[:, :, None] - positions[:, None]
    length = (between.square().sum(-1, keepdim=True) + 1e-8).sqrt()
    others = ~torch.eye(positions.shape[1], dtype=torch.bool, device=positions.device)[..., None]
    if real is not None:
        others = others & real.unsqueeze(1)
    return torch.cat((torch.ones_like(length), between / (length + 1)), -1) * others
