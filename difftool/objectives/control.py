"""Control: a branch beside a trained model learns to follow a map, such as edges."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..errors import UsageError
from ..nn.control import Controlled
from ..nn.operators import FILE, mapped
from ..objective import Denoising, Moment, Player
from ..rng import Rng
from ..shapes import expand_as
from .finetune import start_from
from .options import CONTROL, ControlOptions


class Control(Denoising):
    """Denoising score matching with a map of each example; the trained model stays as it is.

    Zhang et al. 2023, arXiv:2302.05543, Eq. 10. The model ``base`` must be there whenever the run
    is resumed.
    """

    fills = True
    options: ControlOptions

    def __init__(self, options: ControlOptions, context: Context) -> None:
        super().__init__(options, context)
        if not options.base or not isinstance(self.denoiser.backbone, Controlled):
            raise UsageError(
                "A control branch needs a trained model. Use the command difftool finetune RUN "
                "DATA --method control."
            )
        base = context.open(options.base).denoiser
        backbone = self.denoiser.backbone
        start_from(backbone.network, base.backbone)
        for name, conditioner in base.conditioners.items():
            start_from(self.denoiser.conditioners[name], conditioner)
        backbone.start()
        assert context.representation is not None  # it is built before the objective
        self._representation = context.representation
        self._dtype = getattr(torch, context.description.dtype)
        self.denoiser.requires_grad_(False)
        backbone.copy.requires_grad_(True)
        backbone.joins.requires_grad_(True)

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        shown = self._shown(batch)
        dropped = rng.uniform((len(batch),)) < self.options.dropout
        shown = shown.masked_fill(expand_as(dropped, shown), 0.0)
        return super().loss(batch.with_cond(**{CONTROL: shown}), rng, moment, player)

    def _shown(self, batch: Batch) -> Tensor:
        """The maps of examples: computed from them, or their files."""
        x, mask = batch.x, batch.mask
        if self.options.operator == FILE:
            x = self._representation.encode(Batch(batch.cond[CONTROL].to(self._dtype))).x
        return mapped(self.options.operator, x, mask, self._representation.space.places)
