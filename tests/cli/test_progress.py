"""The live display of a training run, on terminals of every width."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from difftool.cli.progress import live
from difftool.cli.terminal import Terminal
from difftool.observer import Progress
from difftool.workflows.announce import tell_remarks


@pytest.mark.parametrize("width", [30, 40, 71, 80, 160])
def test_the_step_and_the_loss_are_seen_on_any_terminal(monkeypatch, width):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    with live() as display:
        display.show(Progress(1234, 100_000, 0.5, 120.0, 3000.0, 2_000_000_000, 1e-3))
    assert "1234/100000" in shown.getvalue()
    assert "loss 0.5000" in shown.getvalue()


def test_no_empty_bar_is_left_where_there_was_nothing_to_do(monkeypatch):
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("NO_COLOR", "1")
    with live():
        pass
    assert shown.getvalue().rpartition("\x1b[2K")[2].removesuffix("\x1b[?25h").strip() == ""


def test_remarks_are_reported_once_each_and_only_the_first_of_very_many(capsys):
    tell_remarks([(Path(f"{i}.wav"), "mixed down") for i in range(5)], Terminal())
    assert (
        capsys.readouterr().err
        == "5 files are used, with a remark: mixed down (0.wav, 1.wav, 2.wav and 2 more, all in the run's log)\n"
    )
    tell_remarks([(Path(f"{i}.wav"), f"turned down {i} times") for i in range(1, 1001)], Terminal())
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11
    assert lines[-1] == "… and 990 more remarks, all in the run's log"
