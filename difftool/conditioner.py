"""Conditioner: a condition's value to a signal, with a learned null for "not given"."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from .nn.backbone import Signals


class Conditioner(nn.Module, ABC):
    """Built with (options, column); its spec names the class of the column.

    A missing value is itself a value, *null*, so dropping a condition is a data operation.

    Attributes:
        vector, tokens, channels: widths of the signals it emits, 0 where it emits none.
        dropout: probability that an example's value is replaced by null in training.
        grows: names of the parameters that have a row for each of the column's ``entries``, the
            last entry in the last row.
    """

    vector: int = 0
    tokens: int = 0
    channels: int = 0
    dropout: float = 0.0
    grows: tuple[str, ...] = ()

    @abstractmethod
    def null(self, value: Tensor) -> Tensor:
        """A value of the same shape, dtype and device that says "not given" for every example."""

    @abstractmethod
    def forward(self, value: Tensor) -> Signals:
        """``value [b, ...]`` to signals."""
