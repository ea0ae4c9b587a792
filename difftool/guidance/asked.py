"""A denoiser as a request asks for it: with a negative prompt, and with prompts of several parts."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import Tensor

from ..denoiser import Cond, D
from .conjunction import Conjunction
from .guided import Guided
from .pair import repeated
from .several import Several


class Asked(Guided):
    """A denoiser whose "not given" is what samples shall not be.

    Every guidance that goes away from the unconditional estimate goes away from that instead
    (Ho & Salimans 2022, Eq. 6, with another second condition).

    Args:
        negative: condition name -> ``[b, ...]`` for the samples of a batch.
        conjunction: what a prompt of several parts means; None where there is none.
    """

    def __init__(
        self,
        denoiser: D,
        negative: Mapping[str, Tensor],
        conjunction: Conjunction | None,
        kept: Collection[str],
    ) -> None:
        super().__init__(conjunction or Several(()), denoiser, kept)
        self._negative = negative

    def null(self, cond: Cond) -> dict[str, Tensor]:
        free = super().null(cond)
        return free | {
            name: repeated(value, len(free[name])) for name, value in self._negative.items()
        }
