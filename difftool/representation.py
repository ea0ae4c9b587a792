"""Representation: raw units <-> model units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Self

from torch import Tensor, nn

from .batch import Batch
from .context import Context
from .rng import Rng
from .space import Space

PREFIX = "representation."
"""Before the names of its weights in a model file."""


class Representation(ABC):
    """How raw data is shown to the network. Built with (options, description of the data), by ``build``.

    One that holds weights is an ``nn.Module`` as well: it is moved to the model's device and does not learn, and its weights are saved in
    the model file, which stays all that sampling needs. It may take them from another run:

        class Latents(nn.Module, Representation):
            @classmethod
            def build(cls, options, context):
                return cls(context.open(options.run).denoiser.backbone.encoder, ...)

    Attributes:
        shape: of one encoded example, ``[channels, ...]``; None for an axis that varies.
        space: where noise on the encoded example lives.
        cached: whether ``prepare`` is called once for each example of the data, before training,
            and training draws from what it gave. Such a run has no augmentation and no bridge.
    """

    shape: tuple[int | None, ...]
    space: Space
    cached: bool = False

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        """A representation for a run. Override it to open another run, or to build on the device."""
        return cls(options, context.description)  # type: ignore[call-arg]  # what every representation is built with

    @abstractmethod
    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """What encoding needs to know of the data, such as its mean, as JSON; empty where it needs nothing.

        Called once, before training, on an instance whose ``description.measured`` is empty, with raw examples drawn as in training.
        What it returns is kept in the model and stands in the ``description.measured`` of every instance after that.
        """

    @abstractmethod
    def encode(self, raw: Batch) -> Batch:
        """Raw units, of any dtype, to float32 model units near unit scale, without chance. Runs on the batch's device.

        Conditions pass through, except those that the modality sets and that speak of the example itself, such as which of it is given:
        they become what their conditioner takes.
        """

    @abstractmethod
    def decode(self, batch: Batch) -> Batch:
        """Model units to raw units in the raw dtype, within its range; at least as large as what was encoded, padding as nothing.

        What is more than was asked for is cut off by the caller, at the template's size and mask.
        """

    def prepare(self, raw: Batch) -> Batch:
        """What a training example is drawn from, as a function of ``raw`` alone: the encoded example, or the moments of its posterior."""
        return self.encode(raw)

    def draw(self, prepared: Batch, rng: Rng) -> Batch:
        """A training example in model units, drawn from what ``prepare`` gave; where nothing is drawn, that is it."""
        return prepared


def weights_of(representation: Representation) -> dict[str, Tensor]:
    """What of it is saved in a model file, by the names that it has there; empty where it holds no weights."""
    if not isinstance(representation, nn.Module):
        return {}
    return {PREFIX + name: tensor.detach().cpu().contiguous() for name, tensor in representation.state_dict().items()}
