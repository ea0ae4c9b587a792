"""Reading many files: some of them evenly chosen, several at a time, and those that can be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..errors import DataError
from ..modality import Item

In = TypeVar("In")
Out = TypeVar("Out")


def evenly(items: Sequence[Item], n: int) -> list[Item]:
    """At most ``n`` of the items, spread over all of them."""
    return list(items) if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


def parallel(function: Callable[[In], Out], values: Iterable[In]) -> list[Out]:
    """The function of every value, in order, on a few threads.

    Meant for reading files, where the work is done outside Python.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def readable(function: Callable[[Path], Out], items: Sequence[Item]) -> list[Out]:
    """The function of the path of every item that can be read, in order; for ``Modality.fit``.

    Damaged files are left out here, the first one like any other: they are counted and named when
    the examples are read.

    Args:
        function: what to see in a file, such as its header; raises DataError for a bad file.

    Raises:
        DataError: none of them can be read. Says what is wrong with the first.
    """

    def attempt(item: Item) -> Out | DataError:
        try:
            return function(item.path)
        except DataError as error:
            return error

    found = parallel(attempt, items)
    good = [one for one in found if not isinstance(one, DataError)]
    if not good:
        raise DataError(
            f"None of the {len(items):,} file{'s' * (len(items) != 1)} can be read, "
            f"so there is nothing to train on. {found[0]}"
        )
    return good
