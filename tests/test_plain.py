"""Texts of JSON and TOML: every fault of theirs is one kind of error."""

from __future__ import annotations

import pytest

from difftool.plain import escaped, parse_json, parse_toml


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        (b"\xff", "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        ("9" * 5000, "too many digits"),
        ("", "not JSON"),
    ],
)
def test_faults_of_json(text, words):
    with pytest.raises(ValueError, match=words):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x\ny = 1", "line 1"),
        ("x = " + "[" * 5000, "nested too deeply"),
        (f"x = {'9' * 5000}", "too many digits"),
    ],
)
def test_faults_of_toml(text, words):
    with pytest.raises(ValueError, match=words):
        parse_toml(text)


def test_what_is_right_is_as_by_the_standard_parsers():
    assert parse_json('{"a": [1, null]}') == {"a": [1, None]}
    assert parse_toml("a = [1, 2]") == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat é 猫 🐈", "cat é 猫 🐈"),
        ("a\x1b]0;TITLE\x07", r"a\x1b]0;TITLE\x07"),
        ("line\nline", r"line\nline"),
        (b"caf\xe9".decode("utf-8", "surrogateescape"), r"caf\xe9"),
        ("abc\u202edcb", r"abc\u202edcb"),
    ],
)
def test_what_a_terminal_would_obey_is_escaped(text, shown):
    assert escaped(text) == shown
