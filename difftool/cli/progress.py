"""How work in progress is shown: live on a terminal, a plain line now and then elsewhere; always on
stderr.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from ..plain import escaped
from ..workflows.text import line
from .console import bars, is_terminal, lasting, say

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from ..observer import Progress

HEARTBEAT = 30.0
"""Seconds between plain lines."""

ROOM_FOR_BAR = 72
"""Columns of a terminal from which a bar is drawn; a narrower one keeps the step and the figures.
"""


class Display(Protocol):
    """Shows a training run."""

    def show(self, progress: Progress) -> None: ...

    def say(self, text: str) -> None: ...


def is_live() -> bool:
    """Whether stderr is a terminal that can be redrawn."""
    return is_terminal(sys.stderr)


def training_display(quiet: bool = False) -> AbstractContextManager[Display]:
    """The display that fits where stderr goes; ``quiet`` shows nothing, for the processes that do
    not lead.
    """
    if quiet:
        return nullcontext(Silent())
    return live() if is_live() else nullcontext(Heartbeat())


class Silent:
    def show(self, progress: Progress) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Heartbeat:
    """A line at the first step, then every half minute, whenever something was saved, and at the
    end.
    """

    def __init__(self, every: float = HEARTBEAT) -> None:
        self._every = every
        self._last = -every
        self._loss: float | None = None

    def show(self, progress: Progress) -> None:
        self._loss = progress.loss if progress.loss is not None else self._loss
        now = time.monotonic()
        if (
            now - self._last >= self._every
            or progress.saved
            or progress.preview
            or progress.step == progress.steps
        ):
            self._last = now
            say(line(progress, self._loss))

    def say(self, text: str) -> None:
        say(text)


@contextmanager
def live() -> Iterator[Display]:
    """A bar with the loss, the speed, the time left and the memory."""
    bar, wide = _bar(refresh_per_second=4)
    with _drawn(bar):
        shown = _Live(bar, wide)
        yield shown
        shown.close()


def _bar(**settings: Any) -> tuple[Bar, bool]:
    """A bar of rich on stderr, and whether there is room to draw more than its text."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(file=cast(TextIO, _Lasting(sys.stderr)), markup=False, highlight=False)
    text = TextColumn("{task.description}", markup=False)
    wide = console.width >= ROOM_FOR_BAR
    columns = [BarColumn(bar_width=None), MofNCompleteColumn(), text] if wide else [text]
    # What is printed to a file is not brought above the bar.
    bar = Progress(
        *columns,
        console=console,
        expand=wide,
        redirect_stdout=sys.stdout.isatty(),
        **settings,
    )
    return bar, wide


@contextmanager
def _drawn(bar: Bar) -> Iterator[None]:
    """While the bar is drawn, lines are printed above it."""
    bars.append(bar.console)
    try:
        with bar:
            yield
    finally:
        bars.remove(bar.console)


class _Lasting:
    """A stream, as a file for rich, that goes on when the terminal is closed: a run must not end
    with what shows it.
    """

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        # the stream itself, as rich puts a proxy in the place of sys.stderr while it draws
        self._stream = stream

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def write(self, text: str) -> int:
        with lasting(self._stream):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with lasting(self._stream):
            self._stream.flush()


class _Live:
    def __init__(self, bar: Any, wide: bool = True) -> None:
        self._bar = bar
        self._wide = wide
        self._task = bar.add_task("starting", total=None)
        self._loss: float | None = None

    def show(self, progress: Progress) -> None:
        self._loss = progress.loss if progress.loss is not None else self._loss
        text = line(progress._replace(saved=None, preview=None), self._loss)
        text = text.removeprefix("step ") if not self._wide else text.partition("  ")[2]
        self._bar.update(
            self._task, total=progress.steps, completed=progress.step, description=text
        )
        if progress.preview:
            self.say(f"preview {progress.preview}")

    def close(self) -> None:
        """Leave no empty bar behind where there was nothing to do."""
        if self._bar.tasks[self._task].total is None:
            self._bar.remove_task(self._task)

    def say(self, text: str) -> None:
        self._bar.console.print(escaped(text), markup=False, soft_wrap=True)


class Counter:
    """Progress of something that is counted, such as decoding files: a callable ``(done, total,
    what)``.

    Its bar appears once the work has taken a moment, and leaves nothing behind.
    """

    def __init__(self, every: float = 10.0) -> None:
        self._every = every
        self._last = time.monotonic()
        self._live = is_live()
        self._stack = ExitStack()
        self._bar: Bar | None = None

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done < total and now - self._last < (0.2 if self._live else self._every):
            return
        self._last = now
        if done >= total:
            self.close()
        elif self._live:
            self._show(done, total, what)
        else:
            say(f"{what} {done}/{total}")

    def _show(self, done: int, total: int, what: str) -> None:
        if self._bar is None:
            # Without a thread of its own, a bar that an error leaves behind draws nothing more.
            self._bar, self._wide = _bar(transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=total)
            self._stack.enter_context(_drawn(self._bar))
            _counters.append(self)
        text = what if self._wide else f"{what} {done}/{total}"
        self._bar.update(self._task, total=total, completed=done, description=text, refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            _counters.remove(self)
            self._bar = None
            self._stack.close()


_counters: list[Counter] = []
"""The counters whose bars are drawn."""


def close_counters() -> None:
    """Remove the bars of work that an error has ended."""
    for counter in list(_counters):
        counter.close()
