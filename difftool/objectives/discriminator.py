"""A discriminator that looks through the eyes of a denoiser."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..denoiser import Cond, Denoiser
from ..errors import UsageError
from ..nn.backbone import Signals
from ..nn.layers import masked
from ..nn.taps import blocks_of, channel_axis, reading


class Discriminator(nn.Module):
    """A logit for each noisy example, above 0 for a real one, from what a denoiser makes of it.

    A linear layer for each block of the denoiser's network reads the means and standard deviations
    of the block's output over its places; their sum is the logit (heads on features at several
    depths: Sauer et al. 2023, arXiv:2311.17042, Sec. 3.2; a diffusion network's own features: Yin
    et al. 2024, arXiv:2405.14867, Sec. 4.4, and Sauer et al. 2024, arXiv:2403.12015, Sec. 3.1).

    The denoiser is not a part of it: it may be frozen, or train as another player.

    Args:
        denoiser: one of the kind that it will look through.
        shape: of an encoded example.

    Raises:
        UsageError: the network has no blocks.
    """

    def __init__(self, denoiser: Denoiser, shape: Sequence[int | None]) -> None:
        super().__init__()
        self.points = shape[0] is None
        blocks = blocks_of(denoiser.backbone)
        if not blocks:
            raise UsageError(
                f"The network {type(denoiser.backbone).__name__} has no blocks to look at. Choose "
                "another method, or another backbone: a discriminator reads what the blocks of a "
                "network make of an example."
            )
        x = next(denoiser.parameters()).new_zeros(1, *(16 if n is None else n for n in shape))
        with torch.no_grad(), reading(blocks) as outputs:
            denoiser(x, x.new_ones(1), _silent(denoiser, x, points=self.points))
        self.axes = [
            channel_axis(denoiser.backbone, block, output, points=self.points)
            for block, output in zip(blocks, outputs, strict=True)
        ]
        self.heads = nn.ModuleList(
            nn.Linear(2 * output.shape[axis], 1)
            for axis, output in zip(self.axes, outputs, strict=True)
        )

    def forward(
        self,
        denoiser: Denoiser,
        x: Tensor,
        sigma: Tensor,
        cond: Cond | Signals,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """``x [b, ...]``, ``sigma [b]`` -> logits ``[b]``, and the denoiser's estimate ``[b, ...]``."""
        with reading(blocks_of(denoiser.backbone)) as outputs:
            estimate = denoiser(masked(x, mask), sigma, cond, mask)
        logit = x.new_zeros(len(x))
        for head, axis, output in zip(self.heads, self.axes, outputs, strict=True):
            places = output.float().movedim(axis, 1).flatten(2)
            mean = places.mean(2)
            deviation = ((places - mean[:, :, None]).square().mean(2) + 1e-6).sqrt()
            logit = logit + head(torch.cat((mean, deviation), 1))[:, 0]
        return logit / len(self.heads), estimate


def _silent(denoiser: Denoiser, x: Tensor, *, points: bool) -> Signals:
    """Signals of zeros, of the widths that the denoiser's conditions have."""
    conditions = denoiser.conditioners.values()
    vector, tokens = (
        max((getattr(c, kind) for c in conditions), default=0) for kind in ("vector", "tokens")
    )
    channels = sum(c.channels for c in conditions)
    places = x.shape[1:2] if points else x.shape[2:]
    return Signals(
        x.new_zeros(1, vector) if vector else None,
        x.new_zeros(1, 1, tokens) if tokens else None,
        x.new_zeros(1, channels, *places) if channels else None,
    )
