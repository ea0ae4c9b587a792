"""What is printed: no control characters of names, any encoding, and streams that are gone."""

from __future__ import annotations

import io
import json
import os
import re
import sys

import pytest
from rich.cells import cell_len

from difftool.cli import console
from difftool.cli.console import complain, out, out_json, out_level, out_table, say
from difftool.cli.failure import report
from difftool.cli.progress import Counter
from difftool.errors import DataError


def test_control_characters_are_shown_and_not_obeyed(capsys):
    say("a\x1b]0;TITLE\x07\nsecond line")
    complain("b\x1b[31m")
    assert capsys.readouterr().err == "a\\x1b]0;TITLE\\x07\nsecond line\nError: b\\x1b[31m\n"


def test_names_that_are_not_utf8_are_shown_with_their_bytes(capsys):
    name = os.fsdecode(b"caf\xe9")
    out(name)
    assert capsys.readouterr().out == "caf\\xe9\n"
    out_json({"name": name})
    assert json.loads(capsys.readouterr().out) == {"name": name}


def test_letters_that_the_terminal_does_not_have_are_escaped(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stderr", stream)
    say("größer")
    stream.flush()
    assert stream.buffer.getvalue() == b"gr\\xf6\\xdfer\n"


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "Input/output error"),
        BrokenPipeError(),
        ValueError("I/O operation on closed file"),
    ],
)
def test_a_stream_that_is_gone_ends_nothing(monkeypatch, error):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    monkeypatch.setattr(sys, "stderr", Gone())
    say("nobody hears this")


# --- terminals --------------------------------------------------------------------------------------------------------


def on_terminal(monkeypatch):
    """stdout and stderr as one terminal; a function that returns what it was sent."""
    shown = io.StringIO()
    shown.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown.getvalue


ROWS = [("猫", "two words " * 8), ("[bold]\x1b", "x")]


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_a_table_fits_its_terminal(monkeypatch, width):
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    out_table(ROWS, ("name", "what"))
    lines = [line.replace("\x1b[1m", "").replace("\x1b[0m", "") for line in terminal().splitlines()]
    assert "\x1b" not in "".join(lines)
    assert max(map(cell_len, lines)) <= max(width, console.NARROWEST)
    assert " ".join(" ".join(lines).split()).count("two words") == 8
    places = {
        cell_len(line[: line.index(word)])
        for line, word in zip(lines, ("what", "two"), strict=False)
    }
    assert len(places) == 1  # a wide letter counts twice
    assert lines[-1].split() == ["[bold]\\x1b", "x"]


def test_a_table_in_a_pipe_is_a_line_for_each_row(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    out_table(ROWS, ("name", "what"), indent=2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "what"]
    assert len(lines) == 3
    assert all(line.startswith("  ") for line in lines)


@pytest.mark.parametrize(
    ("setting", "coloured"), [("", True), ("NO_COLOR", False), ("TERM", False)]
)
def test_colours_are_for_terminals_that_have_and_want_them(monkeypatch, setting, coloured):
    terminal = on_terminal(monkeypatch)
    if setting:
        monkeypatch.setenv(setting, "dumb")
    complain("bad")
    out_level("warning:", "odd")
    assert ("\x1b[" in terminal()) == coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", terminal())
    assert plain == "Error: bad\nwarning: odd\n"


def test_lines_are_printed_above_a_bar_and_never_beside_it(monkeypatch):
    terminal = on_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("difftool.cli.progress.time.monotonic", iter(range(99)).__next__)
    count = Counter()
    for done in range(1, 5):
        count(done, 5, "sampling")
        out(f"out/{done}.png {'very ' * 30}long")
    assert console.bars
    count(5, 5, "sampling")
    assert not console.bars
    shown = re.split(r"\r|\n", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal()))
    assert sum("sampling" in line for line in shown) >= 4
    assert not any("sampling" in line and ".png" in line for line in shown)
    assert sum(line.endswith("long") for line in shown) == 4  # whole, for whoever copies it
    assert terminal().count("\x1b[?25l") == terminal().count("\x1b[?25h") == 1


def test_a_bar_that_an_error_leaves_is_removed(monkeypatch):
    terminal = on_terminal(monkeypatch)
    monkeypatch.setattr("difftool.cli.progress.time.monotonic", iter(range(99)).__next__)
    Counter()(1, 5, "decoding")
    assert console.bars
    report(DataError("bad"))
    assert not console.bars
    assert "\x1b[?25h" in terminal()
