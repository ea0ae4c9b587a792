"""Ctrl-C and SIGTERM: the first one asks the loop to finish its step and save, a second Ctrl-C
stops at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from ..errors import DifftoolError, Interrupted, Terminated

_ASKED = b"\nStopping: this step is finished and saved first. Ctrl-C again stops at once.\n"


class Stop:
    """Called, it says whether the program was asked to stop.

    Handlers are in place while it is entered.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.signal: int | None = None
        self._quiet = quiet
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self.signal is not None

    def __enter__(self) -> Stop:
        self._before = {
            number: signal.signal(number, self._handle)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            return
        self.signal = number
        if not self._quiet:
            _tell(_ASKED)

    def error(self, text: str) -> DifftoolError:
        """The exception that ends the program with the signal's exit code."""
        return Terminated(text) if self.signal == signal.SIGTERM else Interrupted(text)


def _tell(text: bytes) -> None:
    """Not print: a handler may run in the middle of one. The terminal may be gone."""
    with suppress(OSError):
        os.write(2, text)


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """Inside the block SIGTERM ends the program with its own exit code, also while libraries are
    imported.

    ``SystemExit`` and not an ``Exception``, which an import that tries its luck would swallow.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        _tell(b"Terminated.\n")
        raise SystemExit(Terminated.exit_code)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def deafen() -> None:
    """Ignore SIGTERM from now on: the program is leaving."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)


def terminate_at_once(left: str = "") -> None:
    """Where there is nothing to save, SIGTERM ends the program with its own exit code.

    Args:
        left: what the message says of the state that stays.
    """

    def handle(number: int, frame: FrameType | None) -> None:
        raise Terminated(f"Terminated before this was finished. {left}".rstrip())

    signal.signal(signal.SIGTERM, handle)
