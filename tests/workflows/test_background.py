"""Calls on a thread beside the work that makes their arguments."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from difftool.workflows.background import in_background


def test_calls_keep_their_order_and_are_done_at_the_end_of_the_block():
    done: list[tuple[int, bool]] = []
    main = threading.current_thread()
    with in_background(
        lambda i: done.append((i, threading.current_thread() is main)), waiting=2
    ) as call:
        for i in range(20):
            call(i)
    assert done == [(i, False) for i in range(20)]


def test_the_work_goes_on_while_a_call_waits_and_never_more_than_asked():
    gate, begun = threading.Event(), []

    def slow(i: int) -> None:
        begun.append(i)
        gate.wait(10)

    with in_background(slow, waiting=2) as call:
        for i in range(3):  # one that runs, and two that wait
            call(i)
        blocked = threading.Thread(target=call, args=(3,))
        blocked.start()
        blocked.join(0.2)
        assert blocked.is_alive()
        assert begun == [0]
        gate.set()
        blocked.join(10)
    assert begun == [0, 1, 2, 3]


def test_after_an_error_no_further_call_is_made_and_the_error_is_raised():
    made = []

    def fails(i: int) -> None:
        made.append(i)
        if i == 1:
            raise OSError("full")

    def work() -> None:
        with in_background(fails, waiting=100) as call:
            for i in range(5):
                call(i)

    with pytest.raises(OSError, match="full"):
        work()
    assert made == [0, 1]


def test_an_interruption_of_the_wait_ends_after_the_call_that_runs():
    done: list[int] = []

    def slow(i: int) -> None:
        time.sleep(0.1)  # the other thread waits for the end by then
        if i == 0:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        done.append(i)

    def work() -> None:
        with in_background(slow, waiting=9) as call:
            for i in range(5):
                call(i)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [0]
    time.sleep(0.3)
    assert done == [0], "no call is made after the block"


def test_what_was_given_is_done_even_if_the_work_ends_with_an_error():
    done: list[int] = []

    def work() -> None:
        with in_background(done.append, waiting=9) as call:
            call(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == [1]
