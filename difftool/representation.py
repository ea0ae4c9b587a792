"""Representation: raw units <-> model units."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Literal, Self

from torch import Tensor, nn

from .batch import Batch
from .conditioners.mask import random_marks
from .context import Context
from .rng import Rng
from .space import Euclidean, Space

PREFIX = "representation."
"""Prefix of the names of its weights in a model file."""


class Representation(ABC):
    """How raw data becomes the input of the network.

    ``build`` builds it with (options, description).

    A representation with weights is also an ``nn.Module``: it is moved to the model's device, its
    weights are not trained, and the model file stores them, so that sampling needs no other file.
    The weights may come from another run:

        class Latents(nn.Module, Representation):
            @classmethod
            def build(cls, options, context):
                return cls(context.open(options.run).denoiser.backbone.encoder, ...)

    Attributes:
        shape: shape of one encoded example, ``[channels, ...]``; None for an axis that varies.
        space: the space of encoded examples and of their noise.
        cached: True if ``prepare`` is called once for each example of the data, before training,
            and training draws from its results. Such a run has no augmentation and no bridge.
            "auto" if that is done where it is possible, and elsewhere at every step.
        variants: how often ``prepare`` is called for each example where it is cached. With more than
            one, examples are changed and cut at random each time, and training draws one of them.
        oscillates: whether the last axis of encoded examples is a signal that swings around zero,
            which is perceived by its spectrum: an autoencoder then compares spectra too.
        makes_vectors: whether ``decode`` gives vectors ``[b, d]``, which a later stage takes, and no
            raw examples.
    """

    shape: tuple[int | None, ...]
    space: Space
    cached: bool | Literal["auto"] = False
    variants: int = 1
    oscillates: bool = False
    makes_vectors: bool = False

    @property
    def mask_channels(self) -> int:
        """Channels in which a network that is trained with masks is shown given entries: those of
        the example and the mask; 1, the mask alone, for points with features ``[b, n, f]``; 0 where
        examples are neither.
        """
        channels = self.shape[0]
        return 0 if channels is None or type(self.space) is not Euclidean else channels + 1

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        """A representation for a run.

        Override it to open another run, or to build on the device.
        """
        return cls(options, context.description)  # type: ignore[call-arg]  # subclasses take these two

    @abstractmethod
    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """Statistics of the data that encoding needs, such as a mean, as JSON; empty if none.

        Called once, before training, on an instance whose ``description.measured`` is empty, with
        raw examples drawn as in training. The model stores the result, and every later instance
        finds it in ``description.measured``.
        """

    def given(self, batch: Batch, rng: Rng) -> Tensor:
        """Which entries of an encoded batch are given in training with masks; broadcasts to ``x``.

        By default boxes along the axes after the channels.
        """
        return random_marks(batch.x.shape, rng)

    @abstractmethod
    def encode(self, raw: Batch) -> Batch:
        """Raw units of any dtype -> float32 model units near unit scale; deterministic.

        Conditions pass through, except those of the modality that describe positions of the
        example, such as given frames: they become the input of their conditioner.
        """

    @abstractmethod
    def decode(self, batch: Batch) -> Batch:
        """Model units -> raw units in the raw dtype, within its range; padding counts as nothing.

        The result is at least as large as the raw example. The caller crops it to the size and the
        mask of the template.
        """

    def decode_around(self, batch: Batch, raw: Batch) -> Batch:
        """Like ``decode``, for an example of which parts are known; by default ``decode``.

        Override it if decoding estimates something, such as a phase, that has to fit what is known.

        Args:
            raw: the known example; ``observed`` marks its known entries.
        """
        del raw
        return self.decode(batch)

    def prepare(self, raw: Batch) -> Batch:
        """The input of ``draw``, a function of ``raw`` only: the encoded example, or its
        moments.
        """
        return self.encode(raw)

    def draw(self, prepared: Batch, rng: Rng) -> Batch:
        """A training example in model units, drawn from ``prepared``; by default ``prepared``."""
        return prepared


def weights_of(representation: Representation) -> dict[str, Tensor]:
    """The weights that a model file stores, by their names in the file; empty if there are none."""
    if not isinstance(representation, nn.Module):
        return {}
    return {
        PREFIX + name: tensor.detach().cpu().contiguous()
        for name, tensor in representation.state_dict().items()
    }
