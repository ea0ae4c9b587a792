"""Reading many files: pick some evenly, read several at a time, keep those that can be read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from ..errors import DataError, is_out_of_memory
from ..modality import Item


def too_little_memory(path: Path) -> DataError:
    """The error of a file whose reading ran out of memory.

    It says nothing about a larger machine.
    """
    return DataError(
        f"{path} could not be read: it needs more memory than there is. Remove it, or make it "
        "smaller. Nothing was cached, because the file may be in order."
    )


In = TypeVar("In")
Out = TypeVar("Out")


def pick_evenly(items: Sequence[Item], n: int) -> list[Item]:
    """At most ``n`` of the items, evenly spread over the sequence."""
    return list(items) if len(items) <= n else [items[i * len(items) // n] for i in range(n)]


def parallel(function: Callable[[In], Out], values: Iterable[In]) -> list[Out]:
    """Apply a function to every value on a few threads; the results keep their order.

    Use it for reading files: such work releases the interpreter lock.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, values))


def readable(function: Callable[[Path], Out], items: Sequence[Item]) -> list[Out]:
    """Apply a function to the path of every item that can be read, in order; for ``Modality.fit``.

    Damaged files are skipped here. They are counted and named when the examples are read.

    Args:
        function: reads something of a file, such as its header; raises DataError for a bad file.

    Raises:
        DataError: no file can be read; the message says what is wrong with the first.
    """

    def attempt(item: Item) -> Out | DataError:
        try:
            return function(item.path)
        except DataError as error:
            return error
        except Exception as error:
            if is_out_of_memory(error):
                raise too_little_memory(item.path) from error
            raise

    found = parallel(attempt, items)
    good = [one for one in found if not isinstance(one, DataError)]
    if not good:
        raise DataError(
            f"None of the {len(items):,} file{'s' * (len(items) != 1)} can be read, "
            f"so there is nothing to train on. {found[0]}"
        )
    return good
