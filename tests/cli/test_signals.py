"""Ctrl-C once finishes and saves, twice stops at once; SIGTERM is a request to stop."""

from __future__ import annotations

import os
import signal

import pytest

from difftool.cli.progress import Heartbeat
from difftool.cli.signals import Stop, terminate_at_once
from difftool.errors import Interrupted, Terminated
from difftool.observer import Progress
from difftool.workflows.text import line


def test_first_and_second_interrupt(capfd):
    with Stop() as stop:
        assert not stop()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert isinstance(stop.error(""), Interrupted)
    assert "Ctrl-C again stops at once" in capfd.readouterr().err


def test_terminate():
    before = signal.getsignal(signal.SIGTERM)
    with Stop(quiet=True) as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
    assert isinstance(stop.error(""), Terminated)
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_ended_says_what_is_kept(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda number, handle: handle(number, None))
    with pytest.raises(Terminated, match=r"^Terminated before this was finished\.$"):
        terminate_at_once()
    with pytest.raises(Terminated, match=r"finished\. What was measured is kept\.$"):
        terminate_at_once("What was measured is kept.")


def test_heartbeat(capsys):
    shown = Heartbeat(every=1000)
    for step in range(1, 11):
        shown.show(Progress(step, 10, 0.5 if step == 1 else None, 12.0, 3.0, 2_000_000, 1e-3))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [text.split("  ")[0] for text in captured.err.splitlines()] == [
        "step 1/10",
        "step 10/10",
    ]
    assert (
        line(Progress(1, 2, None, 5.0, 61.0, 10, 0.1), 0.25)
        == "step 1/2  loss 0.2500  5 examples/s  1m01s left  10 B"
    )
