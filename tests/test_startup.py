"""Help is fast because it imports little: what each command line may load, and no more."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ["torch", "numpy", "rich", "safetensors", "PIL", "jinja2", "matplotlib", "einops", "psutil"]

PROGRAM = """
import contextlib, io, json, sys
from difftool.cli import main
with contextlib.redirect_stdout(io.StringIO()) as out:
    try:
        main(sys.argv[1:])
    except SystemExit as leaving:
        code = leaving.code
print(json.dumps({"code": code, "out": out.getvalue(), "modules": sorted(sys.modules)}))
"""


def ran(*args):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *args], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_importing_difftool_imports_nothing_heavy():
    program = "import sys, difftool; print(sorted({'torch', 'numpy', 'pydantic', 'click', 'pluggy', 'importlib.metadata'} & set(sys.modules)))"
    assert (
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "[]"
    )


def test_help_imports_nothing_but_click():
    found = ran("--help")
    assert found["code"] == 0
    assert not {*HEAVY, "pydantic", "pluggy", "importlib.metadata"} & set(found["modules"])
    assert "sample" in found["out"]


@pytest.mark.parametrize(
    "line",
    [
        ("train", "-m", "image", "--help"),
        ("train", "--help"),
        ("list",),
        ("list", "samplers"),
        ("show", "sampler", "heun"),
        ("config", "show", "-m", "image"),
        ("config", "schema"),
        ("plugins", "list"),
        ("runs", "--help"),
        ("demo", "--help"),
    ],
    ids=" ".join,
)
def test_commands_that_need_no_network_import_none(line):
    found = ran(*line)
    assert found["code"] == 0
    assert not set(HEAVY) & set(found["modules"])


def test_the_help_of_train_shows_the_modality_s_flags_in_their_own_section():
    text = ran("train", "-m", "image", "--help")["out"]
    head, own, training = (
        text.index(title) for title in ("Options:", "Image (-m image):", "Training:")
    )
    assert head < own < training
    for flag in ("--size", "--flip / --no-flip", "--channels"):
        assert own < text.index(flag) < training
    for flag in ("--steps N", "--batch", "--seed N", "--lr X", "--precision auto|fp32|bf16|fp16"):
        assert text.index(flag) > training
    assert "[default: 3000]" in " ".join(text.split())  # what the recipe says, not the engine


def test_the_help_of_train_without_a_modality_says_how_to_see_more():
    text = " ".join(ran("train", "--help")["out"].split())
    assert "difftool train -m NAME --help" in text
    assert "--size" not in text
