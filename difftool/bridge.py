"""Bridge: the hand-off from an earlier stage of a cascade to a later one, in raw data space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .batch import Batch
from .description import Condition, Description
from .rng import Rng


class Bridge(ABC):
    """What a later stage is shown of an earlier one's examples. Built with (options, description of its data, its representation).

    In training an example is degraded to what the earlier stage would have made of it; in sampling that is given. What is shown of it is
    in both cases made by ``show``, so that the two cannot drift   (Ho et al. 2022, arXiv:2106.15282).

    Attributes:
        highest: the largest noise level that ``levels`` draws; samples may ask for no more.
        parts: sizes of what ``crop`` cuts, for axes of an encoded example after its channels; empty where it cuts none.
    """

    highest: float = 0.0
    parts: tuple[int, ...] = ()

    @abstractmethod
    def conditions(self) -> tuple[Condition, ...]:
        """What the stage is conditional on because of the bridge, such as channels and their noise level. A user cannot give them."""

    def level(self, name: str) -> tuple[Condition, ...]:
        """The condition that tells the noise on what is shown, for ``conditions``; none where there is never any."""
        if not self.highest:
            return ()
        return (Condition(name, "number", mean=self.highest / 2, std=self.highest / 12**0.5, low=0.0, high=self.highest),)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """What the bridge needs to know of the data, as JSON, as of ``Representation.measure`` and kept beside that; empty for nothing."""
        return {}

    @abstractmethod
    def fit(self, earlier: Description) -> None:
        """Raises UsageError where the raw data of an earlier stage is not what ``degrade`` makes: its shape, its type, its rate."""

    @abstractmethod
    def degrade(self, raw: Batch) -> Batch:
        """This stage's raw examples as the earlier stage makes them: of the same dtype, with their mask. Deterministic.

        What ``show`` needs to know beside them lies in ``cond``, as in what ``template`` makes.
        """

    def augment(self, low: Batch, rng: Rng) -> Batch:
        """Random faults of degraded training examples, such as blur, in raw units. Returns the batch itself when nothing is asked for."""
        return low

    def levels(self, n: int, rng: Rng) -> Tensor:
        """``[n]``: the noise levels of a training batch, as sigma in model units: uniform up to ``highest``."""
        return self.highest * rng.uniform((n,)) if self.highest else torch.zeros(n, device=rng.device)

    @abstractmethod
    def show(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """``raw`` as its representation encodes it, with what is shown of ``low``: in ``cond``, or as entries that are ``known``.

        The same in training and in sampling, where ``raw`` is a template: what is shown hangs on its shape, mask and conditions alone.

        Args:
            low: ``[b, ...]`` in the earlier stage's raw units.
            raw: ``[b, ...]``, the examples that belong to them, or a template of them.
            level: ``[b]``, noise that is added to what is shown, as sigma in model units; 0 for none.
        """

    def restore(self, batch: Batch) -> Batch:
        """A batch whose ``x`` was made in the units of ``show``, in those of the representation: where ``show`` divided by something."""
        return batch

    def agree(self, raw: Batch, low: Batch) -> Batch:
        """Raw samples that were made of ``low`` without noise, changed as little as it takes for ``degrade`` to make ``low`` of them again."""
        return raw

    def crop(self, batch: Batch, rng: Rng) -> Batch:
        """Random parts of an encoded training batch, all its tensors cut alike. Returns the batch itself when nothing is asked for."""
        return batch

    @abstractmethod
    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """One low example as a batch, and the template of the sample that is made for it; samples whose shapes agree are made together.

        Args:
            low: one raw example of the earlier stage, an array of its own.
            raw: the modality's own template of one sample: its size where ``low`` leaves that open, its mask, its conditions.

        Raises:
            UsageError: the example is none of an earlier stage's.
        """
