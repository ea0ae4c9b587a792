"""Edit: the interface of what changes examples that exist."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor

from .options import Options
from .sampler import Denoise, Noise
from .space import Space

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Given:
    """What an edit begins with.

    Attributes:
        x: ``[b, ...]``, the examples in model units.
        noise: ``[b, ...]``, noise of unit variance; row i depends on the seed and i alone.
        sigmas: the noise levels of sampling, from the largest to 0.
        denoise: D under the conditions that are asked for, guided.
        describe: D under the examples' own conditions, not guided.
        space: in which x diffuses; mask: real entries, or None.
        another: ``another(k) -> [b, ...]``, unit noise number k, independent of ``noise``.
        other: ``[b, ...]``, the second example of each pair; None for edits of single examples.
        weight: ``[b]``, how far each result lies from the first to the second of a pair.
        entries: the examples as the entries of their files.
        ends: unit noise of the two seeds between which each result lies, each ``[b, ...]``, for
            results that are made from seeds.
        describe_other: D under the own conditions of the second example of each pair.
    """

    x: Tensor
    noise: Tensor
    sigmas: tuple[float, ...]
    denoise: Denoise
    describe: Denoise
    space: Space
    another: Callable[[int], Tensor]
    mask: Tensor | None = None
    other: Tensor | None = None
    weight: Tensor | None = None
    entries: Entries | None = None
    ends: tuple[Tensor, Tensor] | None = None
    describe_other: Denoise | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """The examples as the entries of their files, whatever the model's representation.

    Attributes:
        y: ``[b, c, ...]``; whole numbers are scaled to -1 to 1.
        on: makes of a function of such entries one of examples in model units.
    """

    y: Tensor
    on: Callable[[Callable[[Tensor], Tensor]], Callable[[Tensor], Tensor]]


class Start(NamedTuple):
    """Where sampling begins.

    Attributes:
        x: ``[b, ...]`` at the first of the noise levels.
        sigmas: the levels, from the largest to 0. With fewer than two, x is the result.
        noise: what a stochastic sampler adds; None for fresh noise.
        denoise: replaces the D that the edit was given; None for that one.
        found: what the edit has estimated of the example, by name, for the user.
    """

    x: Tensor
    sigmas: tuple[float, ...]
    noise: Noise | None = None
    denoise: Denoise | None = None
    found: Mapping[str, float] = {}  # a mapping is read only


class Edit(ABC):
    """A way to change examples: it says from where sampling begins.

    What is to stay as it is need not concern it: the engine keeps the entries that the user has not
    selected, and combines any edit with any selection.

    Attributes:
        pairs: whether it takes two examples for each result.
        selects: whether something must be selected.
        extends: whether something must be added around the example.
        entrywise: whether entries in model units must be those of the file.
        differentiates: whether it needs gradients through D.
        follows: whether what is made follows the gradient of what is kept, so that it fits; None
            for where each entry is known by itself.
        mean: number of samples whose mean is one result.
        best_of: number of samples of which the likeliest to the model is one result.
        films: whether the results are written as a clip as well.
        loops: whether it needs axes along which examples can be repeated.
        places: whether it needs axes along which parts of an example have places.
        sampler: the solver that it needs; empty for the model's own.
        alone: whether each example is sampled by itself, because its noise levels are its own.
        results: results for each file, unless the user says how many. 1 where all would be equal.
        seeds: from which results are made instead of files.
        settings: those of the run that it needs besides, such as a guidance: dotted key -> value.
    """

    pairs: bool = False
    selects: bool = False
    extends: bool = False
    entrywise: bool = False
    differentiates: bool = False
    follows: bool | None = False
    mean: int = 1
    best_of: int = 1
    films: bool = False
    loops: bool = False
    places: bool = False
    sampler: str = ""
    alone: bool = False
    results: int = 4
    seeds: Sequence[int] = ()
    settings: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, options: Options) -> None:
        self.options = options

    @property
    def draws(self) -> int:
        """Samples from which one result is made."""
        return self.mean * self.best_of

    def before(
        self, example: np.ndarray, selected: np.ndarray | None, axes: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The raw example that sampling is to work on, and what of it is made; by default the same.

        Args:
            selected: as ``Modality.select`` returns it.
            axes: along which examples of the modality can be repeated.
        """
        del axes
        return example, selected

    def after(self, made: np.ndarray, axes: Sequence[int]) -> np.ndarray:
        """The raw result, for what was made of the example of ``before``; by default the same."""
        del axes
        return made

    def circles(self, axes: Sequence[int]) -> Sequence[int]:
        """The axes of a raw example along which its last entry is to be followed by the first; by
        default none.

        Args:
            axes: as for ``before``.
        """
        del axes
        return ()

    @abstractmethod
    def start(self, given: Given) -> Start:
        """Where sampling begins. It runs without gradients, on the model's device."""
