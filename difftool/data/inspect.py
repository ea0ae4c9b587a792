"""inspect: what a user should know about a data set before training, for any kind of data."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import numpy as np

from ..errors import DataError, UsageError
from ..modality import Finding, Item, Modality
from ..shell import command
from .bound import bounded
from .findings import (
    commonest,
    data_root,
    find_columns,
    find_duplicates,
    find_remarks,
    find_size,
    find_unreadable,
)
from .parallel import parallel, pick_evenly
from .remark import remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Facts about one example, read once, without its content. Subclasses add attributes.

    Attributes:
        item: the item that was read.
        shape: of the array that ``Modality.read`` returns.
        digest: a hash of that array; equal hashes are duplicates.
        remarks: the remarks made while it was read; ``inspect`` fills them in.
    """

    item: Item
    shape: tuple[int, ...]
    digest: bytes
    remarks: tuple[str, ...] = ()


def digest(example: np.ndarray) -> bytes:
    """A hash of an example's content."""
    return blake2b(np.ascontiguousarray(example).data, digest_size=16).digest()


M = TypeVar("M", bound=Modality)
L = TypeVar("L", bound=Look)


class Inspection(ABC, Generic[M, L]):
    """The part of ``difftool data check`` that is specific to one modality.

    ``ModalitySpec.inspection`` names it. It may import its modality, but a modality never imports
    it.

    Attributes:
        modality: with its ``auto`` options settled on the data.
    """

    most = 5000
    """The largest number of examples that are decoded; from more, this many are picked evenly."""

    grave = ""
    """A regular expression: remarks that match it are warnings instead of notes."""

    covered = ""
    """A regular expression: remarks that match it are omitted because ``lines`` reports them."""

    def __init__(self, modality: M) -> None:
        self.modality = modality

    @classmethod
    def sample(cls, items: Sequence[Item]) -> list[Item]:
        """The items to inspect."""
        return pick_evenly(items, cls.most)

    @abstractmethod
    def look(self, item: Item) -> L:
        """Read one example and return the facts about it. Raises DataError if it is bad."""

    @abstractmethod
    def lines(self, looks: Sequence[L]) -> Iterator[Finding]:
        """Lines about these examples: at least one, all of them good."""

    def advice(self, items: Sequence[Item], looks: Sequence[L]) -> str:
        """Flags to add to ``difftool train -m NAME DATA``, such as ``--recipe tiny``.

        Notes on other choices may follow, each on a line of its own.
        """
        del items, looks
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrayLook(Look):
    """Statistics of the finite numbers in an example.

    Attributes:
        low, high: minimum and maximum.
        mean: mean of the numbers.
        square: mean of their squares.
    """

    low: float
    high: float
    mean: float
    square: float


class ArrayInspection(Inspection[Modality, ArrayLook]):
    """The default inspection of a modality: shapes and values."""

    def look(self, item: Item) -> ArrayLook:
        example = self.modality.read(item)
        numbers = example[np.isfinite(example)].astype(np.float64)
        if not numbers.size:
            raise DataError(
                f"{item.path} holds no finite number. Remove it, or fill in the missing values."
            )
        return ArrayLook(
            item=item,
            shape=example.shape,
            digest=digest(example),
            low=float(numbers.min()),
            high=float(numbers.max()),
            mean=float(numbers.mean()),
            square=float(np.square(numbers).mean()),
        )

    def lines(self, looks: Sequence[ArrayLook]) -> Iterator[Finding]:
        yield Finding(
            "ok", f"shapes: {commonest('x'.join(map(str, look.shape)) for look in looks)}"
        )
        low, high = min(look.low for look in looks), max(look.high for look in looks)
        mean = float(np.mean([look.mean for look in looks]))
        variance = float(np.mean([look.square for look in looks])) - mean**2
        deviation = max(variance, 0.0) ** 0.5
        yield Finding(
            "ok",
            f"values from {low:.4g} to {high:.4g}, mean {mean:.4g}, standard deviation "
            f"{deviation:.4g}",
        )
        if low == high:
            yield Finding("warning", "Every value is the same, so there is nothing to learn.")


@dataclass(frozen=True, slots=True)
class _Bad:
    reason: str


def inspect(
    name: str,
    modality: Modality,
    items: Sequence[Item],
    inspection: type[Inspection[Any, Any]] = ArrayInspection,
) -> Iterator[Finding]:
    """The report, line by line; it ends with a command for training, unless there is an error.

    Args:
        name: the modality's name on the command line.
        modality: with ``auto`` options that are not settled yet.
        items: the result of ``modality.scan``.
    """
    some = inspection.sample(items)
    yield find_size(items, len(some))
    try:
        one = inspection(modality.fit(items))
    except (DataError, UsageError) as error:
        yield Finding("error", str(error))
        return
    looks = parallel(lambda item: _look(one, item), some)
    faults = list(_faults(one.modality, looks))
    yield from faults
    if not (good := [look for look in looks if isinstance(look, Look)]):
        return
    for finding in one.lines(good):
        faults.append(finding)
        yield finding
    yield from find_remarks(((look.item, _uncovered(one, look)) for look in good), one.grave)
    yield from find_duplicates((look.item, look.digest) for look in good)
    yield from find_columns(items)
    if not any(finding.level == "error" for finding in faults):
        flags, *notes = one.advice(items, good).split("\n")
        line = command("train", "-m", name, data_root(items))
        yield from (Finding("ok", note) for note in notes)
        yield Finding("ok", f"to train: {line} {flags}".rstrip())


def _look(inspection: Inspection[Any, Any], item: Item) -> Look | _Bad:
    try:
        with remarks() as texts, bounded(item.path):
            look = inspection.look(item)
    except (DataError, OSError) as error:
        return _Bad(str(error))
    return replace(look, remarks=tuple(texts))


def _uncovered(inspection: Inspection[Any, Any], look: Look) -> list[str]:
    return [
        text
        for text in look.remarks
        if not (inspection.covered and re.search(inspection.covered, text))
    ]


def _faults(modality: Modality, looks: Sequence[Look | _Bad]) -> Iterator[Finding]:
    """The unreadable examples, and a reason why the others cannot form one data set, if any."""
    reasons = [look.reason for look in looks if isinstance(look, _Bad)]
    shapes = [look.shape for look in looks if isinstance(look, Look)]
    alone, mismatch = False, ""
    if shapes:
        try:
            alone = _takes_crops(modality, shapes)
        except DataError as error:
            mismatch = str(error)
    yield from find_unreadable(reasons, len(looks), alone)
    if mismatch:
        yield Finding("error", mismatch)


def _takes_crops(modality: Modality, shapes: Sequence[tuple[int, ...]]) -> bool:
    """Whether training takes crops of an example, so that one example is enough."""
    if len({len(shape) for shape in shapes}) > 1:
        raise DataError(
            "The examples differ in their number of axes, so they cannot form one data set. Put "
            "them into separate folders."
        )
    trained, _, _ = modality.describe(np.asarray(shapes))
    return any(
        n is not None and have > n
        for shape in shapes
        for have, n in zip(shape, trained, strict=True)
    )
