"""Denoiser: D(x; sigma) -> x0, the interface of all sampling. Precision changes only here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from .conditioner import Conditioner
from .nn.backbone import Backbone, Signals
from .nn.second_output import SecondOutput
from .nn.self_conditioning import SelfConditioning
from .nn.told import Told, level_as_number, scale_as_number
from .process.degradation import Degradation
from .process.process import Coefficients, Preconditioning
from .shapes import expand_as

Cond = Mapping[str, Tensor]
"""Condition name -> ``[b, ...]``, as in ``Batch.cond``."""


class D(Protocol):
    """The interface of denoisers, and of their wrappers such as tiles and CUDA graphs.

    ``signals`` encodes the conditions once for a batch of samples, and every evaluation takes the
    result, because an encoder may cost more than the network.
    """

    def null(self, cond: Cond) -> dict[str, Tensor]:
        """The null values of the same conditions."""
        ...

    def signals(self, cond: Cond) -> Signals:
        """The encoded conditions."""
        ...

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None, /
    ) -> Tensor:
        """``x [b, ...]``, ``sigma [b]`` -> x0 ``[b, ...]``, float32."""
        ...


@runtime_checkable
class Remembering(D, Protocol):
    """A denoiser that may use what it made of the same samples at the noise level before."""

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None, /
    ) -> tuple[Tensor, Tensor | None]:
        """x0, and what to put into ``signals.memory`` at the next evaluation, ``[b, ...]``.

        None where the denoiser does not remember anything.
        """
        ...


class Denoiser(nn.Module):
    """D(x; sigma) = skip * x + out * F(in * x; c_noise).

    Karras et al. 2022, arXiv:2206.00364, Eq. 7.

    Args:
        backbone: F.
        preconditioning: the four coefficients.
        conditioners: condition name -> conditioner.
        precision: dtype of the computations of F; parameters, input and output stay float32.
        self_conditioning: shows F its own estimate; ``Signals.memory`` is then that estimate.
        second: parts the outputs of an F that has two; None for one that has one.
        told: what F is told beside the noise level: ``"end"``, the level where a step ends, so that
            ``x0`` is the point to which that step leads; ``"scale"``, that of guidance.

    Attributes:
        drop_all: probability that training leaves all conditions open together.
        degradation: what x0 is degraded by in place of noise, if its process does that.
    """

    drop_all: float = 0.0
    degradation: Degradation | None

    def __init__(
        self,
        backbone: Backbone,
        preconditioning: Preconditioning,
        conditioners: Mapping[str, Conditioner],
        precision: torch.dtype = torch.float32,
        self_conditioning: SelfConditioning | None = None,
        second: SecondOutput | None = None,
        told: Mapping[str, Told] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self._names = tuple(conditioners)
        # a list: not every column name can name a submodule
        self._conditioners = nn.ModuleList(conditioners.values())
        self.preconditioning = preconditioning
        self.precision = precision
        self.self_conditioning = self_conditioning
        self.second = second
        self.told = nn.ModuleDict(told or {})
        self.degradation = None

    @property
    def conditioners(self) -> dict[str, Conditioner]:
        """Condition name -> conditioner."""
        return dict(zip(self._names, self._conditioners, strict=True))  # type: ignore[arg-type]

    def forward(
        self, x: Tensor, sigma: Tensor, cond: Cond | Signals, mask: Tensor | None = None
    ) -> Tensor:
        """``x [b, ...]``, ``sigma [b]`` -> x0 ``[b, ...]``, float32.

        Args:
            cond: the conditions, or their ``signals``, which many evaluations can share.
        """
        return self.estimate(x, sigma, cond, mask)

    def estimate(
        self,
        x: Tensor,
        sigma: Tensor,
        cond: Cond | Signals,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
    ) -> Tensor:
        """x0 as ``forward`` gives it, from what was remembered."""
        output, c = self.network(x, sigma, cond, mask, memory)
        return expand_as(c.skip, x) * x + expand_as(c.out, x) * output

    def network(
        self,
        x: Tensor,
        sigma: Tensor,
        cond: Cond | Signals,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
    ) -> tuple[Tensor, Coefficients]:
        """The output of F, which training compares with the target of F, and the coefficients.

        Args:
            memory: what ``remember`` gave for the same examples.
        """
        output, _, c = self.outputs(x, sigma, cond, mask, memory)
        return output, c

    def outputs(
        self,
        x: Tensor,
        sigma: Tensor,
        cond: Cond | Signals,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None, Coefficients]:
        """``network`` with the second output between; None for a network that has one."""
        c = self.preconditioning.coefficients(sigma)
        with self._precise(x.device):
            signals = self._shown(x, sigma, cond, memory)
            output = self.backbone(self._entered(x, c), c.noise, signals, mask)
        return *self._parted(output), c

    def _entered(self, x: Tensor, c: Coefficients) -> Tensor:
        x = expand_as(c.in_, x) * x
        return x if self.second is None else self.second.entered(x)

    def _parted(self, output: Tensor) -> tuple[Tensor, Tensor | None]:
        output = output.float()
        return (output, None) if self.second is None else self.second.parted(output)

    @property
    def remembers(self) -> bool:
        """Whether an evaluation depends on the one before."""
        kind = type(self.backbone)
        return self.self_conditioning is not None or kind.evaluate is not Backbone.evaluate

    def remember(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """x0 as ``forward`` gives it, and the ``memory`` of the next evaluation."""
        x0, memory, _ = self.estimates(x, sigma, signals, mask)
        return x0, memory

    def estimates(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """``remember``, and the second output; None for a network that has one."""
        itself = self.remembers and self.self_conditioning is None
        if itself:
            c = self.preconditioning.coefficients(sigma)
            with self._precise(x.device):
                whole, memory = self.backbone.evaluate(self._entered(x, c), c.noise, signals, mask)
            output, second = self._parted(whole)
        else:
            output, second, c = self.outputs(x, sigma, signals, mask)
        x0 = expand_as(c.skip, x) * x + expand_as(c.out, x) * output
        if not itself:
            memory = x0 if self.remembers else None
        return x0, memory, second

    def _shown(
        self, x: Tensor, sigma: Tensor, cond: Cond | Signals, memory: Tensor | None
    ) -> Signals:
        """The signals for F: the encoded conditions, what is told and what is remembered."""
        signals = cond if isinstance(cond, Signals) else self._encoded(cond)
        signals = self._heard(signals, sigma)
        if memory is not None:
            signals = replace(signals, memory=memory)
        if self.self_conditioning is None:
            return signals
        return self.self_conditioning.signals(signals, x, self.preconditioning.sigma_data)

    def _heard(self, signals: Signals, sigma: Tensor) -> Signals:
        """The signals with what F is told in their vector; by default it denoises, unguided."""
        if not self.told:
            return signals
        end = sigma if signals.end is None else signals.end
        scale = torch.ones_like(sigma) if signals.scale is None else signals.scale
        numbers = {
            "end": level_as_number(end, self.preconditioning.sigma_data),
            "scale": scale_as_number(scale),
        }
        for name, embedding in self.told.items():
            signals = signals + Signals(embedding(numbers[name].float()))
        return replace(signals, end=None, scale=None)

    def signals(self, cond: Cond) -> Signals:
        """The encoded conditions.

        Raises KeyError for a missing one: pass its null value instead.
        """
        device = next((value.device for value in cond.values()), torch.device("cpu"))
        with self._precise(device):
            return self._encoded(cond)

    def null(self, cond: Cond) -> dict[str, Tensor]:
        """The null values of the same conditions."""
        return {
            name: conditioner.null(cond[name]) for name, conditioner in self.conditioners.items()
        }

    def _precise(self, device: torch.device) -> torch.autocast:
        return torch.autocast(device.type, self.precision, enabled=self.precision != torch.float32)

    def _encoded(self, cond: Cond) -> Signals:
        total = Signals()
        for name, conditioner in self.conditioners.items():
            total = total + conditioner(cond[name])
        return total
