"""Denoiser: D(x; sigma) -> x0, the one quantity the whole program speaks. The only place where precision changes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .conditioner import Conditioner
from .nn.backbone import Backbone, Signals
from .process.process import Coefficients, Preconditioning
from .shapes import expand_as


class Denoiser(nn.Module):
    """D(x; sigma) = skip * x + out * F(in * x; c_noise)   (Karras et al. 2022, arXiv:2206.00364, Eq. 7).

    Args:
        backbone: F.
        preconditioning: the four coefficients.
        conditioners: by condition name.
        precision: dtype that F computes in; parameters, input and output stay float32.
    """

    def __init__(
        self,
        backbone: Backbone,
        preconditioning: Preconditioning,
        conditioners: Mapping[str, Conditioner],
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self._names = tuple(conditioners)
        self._conditioners = nn.ModuleList(conditioners.values())  # a list: a column may be called anything, a submodule may not
        self.preconditioning = preconditioning
        self.precision = precision

    @property
    def conditioners(self) -> dict[str, Conditioner]:
        """By condition name."""
        return dict(zip(self._names, self._conditioners, strict=True))  # type: ignore[arg-type]

    def forward(self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None = None) -> Tensor:
        """``x [b, ...]``, ``sigma [b]`` -> x0 ``[b, ...]``, float32."""
        output, c = self.network(x, sigma, cond, mask)
        return expand_as(c.skip, x) * x + expand_as(c.out, x) * output

    def network(self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None = None) -> tuple[Tensor, Coefficients]:
        """F's own output, which training compares with its native target, and the coefficients."""
        c = self.preconditioning.coefficients(sigma)
        with torch.autocast(x.device.type, self.precision, enabled=self.precision != torch.float32):
            output = self.backbone(expand_as(c.in_, x) * x, c.noise, self.signals(cond), mask)
        return output.float(), c

    def signals(self, cond: Mapping[str, Tensor]) -> Signals:
        """All conditions together. A condition that the model knows and the caller leaves out is a KeyError: pass null."""
        total = Signals()
        for name, conditioner in self.conditioners.items():
            total = total + conditioner(cond[name])
        return total

    def null(self, cond: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same conditions, none of them given."""
        return {name: conditioner.null(cond[name]) for name, conditioner in self.conditioners.items()}
