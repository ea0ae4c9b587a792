"""The reporter of the command line: lines and progress on stderr, and signals that stop a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import DifftoolError
from ..workflows.reporter import Count, Reporter, Watch
from .console import complain, say
from .progress import Counter, Display, training_display
from .signals import Stop

if TYPE_CHECKING:
    from ..observer import Progress


class Terminal(Reporter):
    """Says everything on stderr; ``quiet``, nothing, while signals stop a run all the same."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet

    def say(self, text: str) -> None:
        if not self._quiet:
            say(text)

    def warn(self, text: str) -> None:
        if not self._quiet:
            complain(text)

    def counter(self) -> Count:
        return super().counter() if self._quiet else Counter()

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        with Stop(self._quiet) as stop, training_display(self._quiet) as display:
            yield _Watch(stop, display)

    def muted(self) -> Reporter:
        return Terminal(quiet=True)


class _Watch(Watch):
    def __init__(self, stop: Stop, display: Display) -> None:
        self._stop, self._display = stop, display

    def show(self, progress: Progress) -> None:
        self._display.show(progress)

    def stopping(self) -> bool:
        return self._stop()

    def error(self, text: str) -> DifftoolError:
        return self._stop.error(text)
