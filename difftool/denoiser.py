"""Denoiser: D(x; sigma) -> x0, the one quantity the whole program speaks. The only place where precision changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from .conditioner import Conditioner
from .nn.backbone import Backbone, Signals
from .process.process import Coefficients, Preconditioning
from .shapes import expand_as

Cond = Mapping[str, Tensor]
"""Condition name -> ``[b, ...]``, as in ``Batch.cond``."""


class D(Protocol):
    """What guidance and the sampling loop ask of a denoiser, and what wraps one answers: tiles, CUDA graphs.

    Conditions are encoded by ``signals`` once for a batch of samples, and then handed to every evaluation: an encoder may cost more
    than the network.
    """

    def null(self, cond: Cond) -> dict[str, Tensor]:
        """The same conditions, none of them given."""
        ...

    def signals(self, cond: Cond) -> Signals:
        """All conditions together, encoded."""
        ...

    def __call__(self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None, /) -> Tensor:
        """``x [b, ...]``, ``sigma [b]`` -> x0 ``[b, ...]``, float32."""
        ...


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

    def forward(self, x: Tensor, sigma: Tensor, cond: Cond | Signals, mask: Tensor | None = None) -> Tensor:
        """``x [b, ...]``, ``sigma [b]`` -> x0 ``[b, ...]``, float32.

        Args:
            cond: the conditions, or what ``signals`` made of them before, which many evaluations then share.
        """
        output, c = self.network(x, sigma, cond, mask)
        return expand_as(c.skip, x) * x + expand_as(c.out, x) * output

    def network(self, x: Tensor, sigma: Tensor, cond: Cond | Signals, mask: Tensor | None = None) -> tuple[Tensor, Coefficients]:
        """F's own output, which training compares with its native target, and the coefficients."""
        c = self.preconditioning.coefficients(sigma)
        with self._precise(x.device):
            signals = cond if isinstance(cond, Signals) else self._encoded(cond)
            output = self.backbone(expand_as(c.in_, x) * x, c.noise, signals, mask)
        return output.float(), c

    def signals(self, cond: Cond) -> Signals:
        """All conditions together. A condition that the model knows and the caller leaves out is a KeyError: pass null."""
        device = next((value.device for value in cond.values()), torch.device("cpu"))
        with self._precise(device):
            return self._encoded(cond)

    def null(self, cond: Cond) -> dict[str, Tensor]:
        """The same conditions, none of them given."""
        return {name: conditioner.null(cond[name]) for name, conditioner in self.conditioners.items()}

    def _precise(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32)

    def _encoded(self, cond: Cond) -> Signals:
        total = Signals()
        for name, conditioner in self.conditioners.items():
            total = total + conditioner(cond[name])
        return total
