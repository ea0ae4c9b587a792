"""Bridge: the hand-off from an earlier stage of a cascade to a later one, in raw data space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from .batch import Batch
from .column import Column
from .conditioners.columns import NumberColumn
from .context import Context
from .description import Description
from .rng import Rng


class Bridge(ABC):
    """How a later stage of a cascade is conditioned on an earlier stage's examples.

    ``build`` builds it with (options, description of the stage's data, its representation). In training the input
    is the stage's own example, degraded to what the earlier stage would have made; in sampling it
    is the earlier stage's sample. ``encode`` conditions the network on it in both cases, so
    training and sampling cannot drift apart   (Ho et al. 2022, arXiv:2106.15282).

    In this class ``low`` is the earlier stage's example (of lower resolution, or coarser in another
    way), in its raw units.

    Attributes:
        max_aug_level: the largest augmentation level that training draws, and that samples may ask
            for.
        reads_alike: whether the earlier stage's files are read as this stage's own are, and differ
            in their size only.
        crop_sizes: sizes of the crops of ``crop``, for each axis of an encoded example after its
            channels; empty without crops.
    """

    max_aug_level: float = 0.0
    reads_alike: bool = False
    crop_sizes: tuple[int, ...] = ()

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        """A bridge for a run; ``context`` has the representation. Override it to open another run,
        which should happen in training only.
        """
        return cls(options, context.description, context.representation)  # type: ignore[call-arg]  # subclasses take these three

    @abstractmethod
    def conditions(self) -> tuple[Column, ...]:
        """The conditions that the bridge sets, such as channels and their augmentation level.

        A user cannot give them.
        """

    def aug_level_condition(self, name: str) -> tuple[Column, ...]:
        """The condition that tells the network the augmentation level, for ``conditions``; empty
        where there is no augmentation.
        """
        if not self.max_aug_level:
            return ()
        high = self.max_aug_level
        return (NumberColumn(name, mean=high / 2, std=high / 12**0.5, low=0.0, high=high),)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """Statistics of the data that the bridge needs, as JSON; kept next to those of
        ``Representation.measure``.
        """
        return {}

    @abstractmethod
    def check_compatible(self, earlier: Description) -> None:
        """Raises UsageError where an earlier stage's raw data is not what ``degrade`` makes: in
        shape, type or rate.
        """

    @abstractmethod
    def degrade(self, raw: Batch) -> Batch:
        """This stage's raw examples as the earlier stage makes them: of the same dtype, with their
        mask. Deterministic.

        What else ``encode`` needs to know of them is put in ``cond``, as ``template`` does.
        """

    def earlier_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The raw shape of the earlier stage's example that becomes one of this shape; by default
        the same.

        Raises:
            UsageError: none does, or more than its shape decides. The message says what to ask for
                instead.
        """
        return tuple(shape)

    def corrupt(self, low: Batch, rng: Rng) -> Batch:
        """Random faults in degraded training examples, such as blur, in raw units.

        Returns the batch itself where there are none.
        """
        return low

    def draw_aug_levels(self, n: int, rng: Rng) -> Tensor:
        """``[n]``: augmentation levels of a training batch, as sigma in model units: uniform up to
        ``max_aug_level``.
        """
        return (
            self.max_aug_level * rng.uniform((n,))
            if self.max_aug_level
            else torch.zeros(n, device=rng.device)
        )

    @abstractmethod
    def encode(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """``raw`` in model units, conditioned on ``low``: by conditions in ``cond``, or by entries
        that are ``known``.

        The same in training and in sampling, where ``raw`` is a template: the conditioning depends
        only on its shape, mask and conditions, not on its values.

        Args:
            low: ``[b, ...]`` in the earlier stage's raw units.
            raw: ``[b, ...]``, the examples that belong to them, or a template of them.
            level: ``[b]``, sigma in model units of the noise that is added to the conditioning; 0
                for none.
        """

    def restore(self, batch: Batch) -> Batch:
        """Samples in the units of ``encode``, in those of the representation: the inverse of any
        scaling in ``encode``.
        """
        return batch

    def enforce_consistency(self, raw: Batch, low: Batch) -> Batch:
        """Raw samples made from ``low`` without noise, changed as little as possible so that
        ``degrade`` gives ``low`` again.
        """
        return raw

    def crop(self, batch: Batch, rng: Rng) -> Batch:
        """Random crops of an encoded training batch, all its tensors cut alike.

        Returns the batch itself without crops.
        """
        return batch

    @abstractmethod
    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """One example of the earlier stage as a batch, and the template of the sample made from it.

        Samples whose templates have the same shapes are made together.

        Args:
            low: one raw example of the earlier stage, as an array of its own.
            raw: the modality's template of one sample: its size where ``low`` leaves that open, its
                mask, its conditions.

        Raises:
            UsageError: the example cannot come from an earlier stage.
        """
