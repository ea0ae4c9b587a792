"""Reporters get the messages and the progress of work.

These are silent; those of the command line print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, TypeVar

from ..errors import DifftoolError, Interrupted

if TYPE_CHECKING:
    from ..observer import Progress

T = TypeVar("T")

Count = Callable[[int, int, str], None]
"""Takes ``(done, total, what)``, such as the number of decoded files."""


class Watch:
    """Watches a training run: gets the record of every step, and decides whether to stop.

    This one never stops it.
    """

    def show(self, progress: Progress) -> None:
        """A step is done."""

    def stopping(self) -> bool:
        """Whether training should finish its step, save and stop."""
        return False

    def error(self, text: str) -> DifftoolError:
        """The error to raise when the run has stopped because of it."""
        return Interrupted(text)


class Reporter:
    """Gets messages for the user during the work. This one drops them."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def say(self, text: str) -> None:
        """A line for a person."""

    def warn(self, text: str) -> None:
        """Something failed, and the rest of the work continues."""

    def counter(self) -> Count:
        """A function that shows the progress of one counted thing."""
        return lambda done, total, what: None

    def watch(self) -> AbstractContextManager[Watch]:
        """A watch for a training run, for the duration of the block."""
        return nullcontext(Watch())

    def muted(self) -> Reporter:
        """A silent version, for processes other than the first."""
        return self

    def counted(self, things: Iterable[T], total: int, what: str) -> Iterator[T]:
        """The same things, counted as they come."""
        count = self.counter()
        for done, thing in enumerate(things, 1):
            yield thing
            count(done, total, what)


SILENT = Reporter()
