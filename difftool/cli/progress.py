"""How work in progress is shown: live on a terminal, a plain line now and then elsewhere; always on stderr."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, TextIO, cast

from ..plain import escaped
from ..workflows.text import line
from .console import lasting, say

if TYPE_CHECKING:
    from ..observer import Progress

HEARTBEAT = 30.0
"""Seconds between plain lines."""

ROOM_FOR_BAR = 72
"""Columns of a terminal from which a bar is drawn; a narrower one keeps the step and the figures."""


class Display(Protocol):
    """Shows a training run."""

    def show(self, progress: Progress) -> None: ...

    def say(self, text: str) -> None: ...


def is_live() -> bool:
    """Whether stderr is a terminal that can be redrawn."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def training_display(quiet: bool = False) -> AbstractContextManager[Display]:
    """The display that fits where stderr goes; ``quiet`` shows nothing, for the processes that do not lead."""
    if quiet:
        return nullcontext(Silent())
    return live() if is_live() else nullcontext(Heartbeat())


class Silent:
    def show(self, progress: Progress) -> None:
        pass

    def say(self, text: str) -> None:
        pass


class Heartbeat:
    """A line at the first step, then every half minute, whenever something was saved, and at the end."""

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
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(file=cast(TextIO, _Lasting(sys.stderr)), markup=False, highlight=False)
    text = TextColumn("{task.description}", markup=False)
    wide = console.width >= ROOM_FOR_BAR
    columns = [BarColumn(bar_width=None), MofNCompleteColumn(), text] if wide else [text]
    with Bar(*columns, console=console, refresh_per_second=4, expand=wide) as bar:
        shown = _Live(bar, wide)
        yield shown
        shown.close()


class _Lasting:
    """A stream, as a file for rich, that goes on when the terminal is closed: a run must not end with what shows it."""

    encoding = "utf-8"

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream  # the stream itself, as rich puts a proxy in the place of sys.stderr while it draws

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
    """Progress of something that is counted, such as decoding files: a callable ``(done, total, what)``."""

    def __init__(self, every: float = 10.0) -> None:
        self._every = every
        self._last = time.monotonic()
        self._live = is_live()

    def __call__(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        if done < total and now - self._last < (0.2 if self._live else self._every):
            return
        self._last = now
        if self._live:
            with lasting(sys.stderr):
                sys.stderr.write(
                    f"\r\x1b[K{what} {done}/{total}" + ("\r\x1b[K" if done == total else "")
                )
                sys.stderr.flush()
        elif done < total:
            say(f"{what} {done}/{total}")
