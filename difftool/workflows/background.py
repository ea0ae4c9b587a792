"""Calls on a thread beside the work that makes their arguments."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def in_background(function: Callable[..., object], waiting: int) -> Iterator[Callable[..., None]]:
    """A function that calls ``function`` on one thread, call after call in their order.

    The block ends when all calls are done, even if it ends with an error; a Ctrl-C while it waits
    for them ends it after the call that runs. After a call that fails no other is made; its error is
    raised by the next call, or at the end of the block.

    Args:
        waiting: most calls that may wait; the next one blocks until there is room.
    """
    calls: deque[Future[object]] = deque()
    failed: list[BaseException] = []

    def guarded(*args: Any) -> None:
        if not failed:
            try:
                function(*args)
            except BaseException as error:
                failed.append(error)
                raise

    def call(*args: Any) -> None:
        while calls and (len(calls) > waiting or calls[0].done()):
            calls.popleft().result()
        calls.append(thread.submit(guarded, *args))

    thread = ThreadPoolExecutor(1, "difftool-background")
    try:
        try:
            yield call
        finally:
            for one in calls:
                one.exception()  # waits
    finally:
        thread.shutdown(cancel_futures=True)
    for one in calls:
        one.result()
