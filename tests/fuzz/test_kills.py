"""Killed work is continued exactly: weights, metrics, previews and reports are those of work left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills forks of a process")

CAMPAIGN = Path(__file__).with_name("kills.py")


def begun(*args: object) -> subprocess.Popen:
    line = [sys.executable, str(CAMPAIGN), *map(str, args)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def judged(process: subprocess.Popen) -> dict:
    """What a campaign found; the test fails with every kill after which something differs."""
    out, err = process.communicate()
    assert out, err
    found = json.loads(out)
    assert found["failures"] == []
    return found


def test_some_kills():
    """One of each; the heavy campaign has every crash point, and random ones."""
    assert judged(begun("--kinds", "run,export", "--points", 1, "--random", 0))["kills"] == 2


@pytest.mark.heavy
def test_the_whole_campaign():
    """Every crash point of a run and of an export, every third of a cascade, and random ones."""
    runs = begun("--kinds", "run,export", "--points", 0, "--random", 20)
    cascades = begun("--kinds", "cascade", "--points", 40, "--random", 5)
    assert judged(runs)["kills"] + judged(cascades)["kills"] >= 100


def test_a_difference_is_found():
    """The judge itself."""
    from .kills import differences

    whole = {"metrics": [1, 2], "previews": {"a": b"x"}, "report": []}
    assert list(differences(whole, whole)) == []
    assert list(differences(whole, {"metrics": [1], "previews": {}, "new": 1, "report": []})) == [
        "/metrics differs",
        "/new is new",
        "/previews/a is missing",
    ]
