"""Mutated models, runs, cascades, settings and data: each ends with a documented code, a word and no trace."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGN = Path(__file__).with_name("campaign.py")
INPUTS = 5_400
"""Inputs of the whole campaign, in two processes."""


def begun(*args: object) -> subprocess.Popen:
    line = [sys.executable, str(CAMPAIGN), *map(str, args)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def judged(process: subprocess.Popen) -> dict:
    """What a campaign found; the test fails with every input that went wrong."""
    out, err = process.communicate()
    assert out, err
    found = json.loads(out)
    assert found["failures"] == []
    return found


def test_some_inputs():
    found = judged(begun("--count", 60, "--seconds", 8))
    assert found["inputs"] >= 12
    assert any(code != "0" for codes in found["codes"].values() for code in codes)


@pytest.mark.heavy
def test_the_whole_campaign():
    half = INPUTS // 2
    both = [begun("--seed", 7, "--first", half * i, "--count", half) for i in range(2)]
    found = [judged(process) for process in both]
    assert sum(one["inputs"] for one in found) == INPUTS


def test_a_fault_is_found(monkeypatch, tmp_path):
    """The judge itself: an internal error, a hang, a stray file and changed data are all noticed."""
    from . import campaign

    def wrong(args):
        (tmp_path / "stray").touch()
        (tmp_path / "data" / "new").touch()
        print("KeyError: 'x'\nThis is a fault in difftool or a plugin.")
        sys.exit(9)

    (tmp_path / "data").mkdir()
    monkeypatch.setattr(campaign, "main", wrong)
    given = campaign.Input([], tmp_path, data=tmp_path / "data")
    assert campaign.tried(given).reasons == [
        "exit code 9",
        "says 'fault in difftool'",
        "leaves ['stray']",
        "changes the data",
    ]

    def endless(args):
        while True:
            pass

    monkeypatch.setattr(campaign, "main", endless)
    monkeypatch.setattr(campaign, "BUSY", 0.2)
    assert campaign.tried(given).reasons == ["is busy too long"]
