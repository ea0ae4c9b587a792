"""Commands that messages propose: a shell reads them back as they were meant."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

import difftool
from difftool.cli import COMMANDS
from difftool.config import flag_layer
from difftool.shell import command, quoted, set_flag

WORDS = ["plain", "my run", "it's", "a&b;c", "$HOME", 'say "x"', "", "a\nb", "größe", "back\\slash"]
BYTES = os.fsdecode(b"caf\xe9's")


def test_bash_reads_every_word_back():
    line = f"printf '%s\\0' {' '.join(map(quoted, [*WORDS, BYTES]))}"
    shown = subprocess.run(["bash", "-c", line], capture_output=True, check=True).stdout
    assert shown.split(b"\0")[:-1] == [*map(os.fsencode, WORDS), os.fsencode(BYTES)]


def test_a_command_of_plain_words_stays_plain():
    assert command("resume", Path("runs/a-1")) == "difftool resume runs/a-1"


@pytest.mark.parametrize(
    "column",
    ["logP (pred)", "a.b", "x=y", 'say "x"', "it's", " padded ", "größe", "tab\there", "a\\b", "#"],
)
def test_a_column_of_any_name_can_be_asked_for(column):
    flag, setting = shlex.split(set_flag(("conditions", column, "use"), "number"))
    assert flag == "--set"
    layer = flag_layer(sets=[setting])
    assert not layer.faults
    assert layer.data == {"conditions": {column: {"use": "number"}}}


PROPOSAL = re.compile(
    rf"(?:difftool (?:{'|'.join(COMMANDS)}) (?:[a-z]+ )?|pytest |pip install )(?:-\w |--\w+ )?$"
)
PLACES = Path(difftool.__file__).parents[0], Path(__file__).parents[1] / "plugins"
QUOTED = ("command", "quoted", "set_flag", "_sampling_command")
WORDS_OF_OURS = {"name", "wanted", "FITTING"}
"""Names of parts and requirements, which hold nothing that a shell would take apart."""


def bare_proposals(tree: ast.AST) -> list[str]:
    """Values that an f-string puts into a command without quotes."""
    found = []
    for text in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        for before, value in zip(text.values, text.values[1:], strict=False):
            if not (isinstance(before, ast.Constant) and isinstance(value, ast.FormattedValue)):
                continue
            call = getattr(getattr(value.value, "func", None), "id", "")
            shown = ast.unparse(value.value)
            if PROPOSAL.search(before.value) and call not in QUOTED and shown not in WORDS_OF_OURS:
                found.append(f"{before.value}{{{shown}}}")
    return found


def test_no_message_proposes_a_command_with_a_bare_value():
    paths = [path for place in PLACES for path in place.rglob("*.py")]
    assert len(paths) > 100
    assert [
        (path.name, text) for path in paths for text in bare_proposals(ast.parse(path.read_text()))
    ] == []
    assert bare_proposals(ast.parse("f'Use: difftool resume {path}'")) == [
        "Use: difftool resume {path}"
    ]
