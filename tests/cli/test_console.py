"""What is printed: no control characters of names, any encoding, and streams that are gone."""

from __future__ import annotations

import io
import json
import os
import sys

import pytest

from difftool.cli.console import complain, out, out_json, say


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
