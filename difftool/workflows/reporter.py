"""Where work says how it goes. These say nothing; the command line's print, and show progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from ..errors import DifftoolError, Interrupted

if TYPE_CHECKING:
    from ..observer import Progress

T = TypeVar("T")

Count = Callable[[int, int, str], None]
"""Takes ``(done, total, what)`` while something is counted, such as files that are decoded."""


class Watch:
    """Watches a training run: sees the record of every step, and is asked after each whether to stop. This one never does."""

    def show(self, progress: Progress) -> None:
        """A step is done."""

    def stopping(self) -> bool:
        """Whether training should finish its step, save and stop."""
        return False

    def error(self, text: str) -> DifftoolError:
        """What to raise when the run has stopped because of it."""
        return Interrupted(text)


class Reporter:
    """Is told what a person may want to know while work goes on. This one keeps it to itself."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def say(self, text: str) -> None:
        """A line for a person."""

    def warn(self, text: str) -> None:
        """Something failed, and the rest of the work goes on."""

    def counter(self) -> Count:
        """Where to count one thing that takes time."""
        return lambda done, total, what: None

    def watch(self) -> AbstractContextManager[Watch]:
        """Who watches a training run, while the block lasts."""
        return nullcontext(Watch())

    def muted(self) -> Reporter:
        """For a process among several that does not speak: the first one does."""
        return self

    def counted(self, things: Iterable[T], total: int, what: str) -> Iterator[T]:
        """The same things, counted as they come."""
        count = self.counter()
        for done, thing in enumerate(things, 1):
            yield thing
            count(done, total, what)


SILENT = Reporter()
