"""The whole of it on molecules, by the command line: from the set of the package to samples whose bonds are counted."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.heavy

STEPS = 500
"""A quarter of the demo's: on a slow core ten minutes."""


def run(*words: str) -> str:
    return subprocess.run([sys.executable, "-m", "difftool", *words], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Metric -> of samples, and of the data."""
    home = str(tmp_path_factory.mktemp("molecules") / "run")
    run("train", "-m", "molecule", "--recipe", "demo", "--run", home, "--steps", str(STEPS), "--preview", "0")
    rows = json.loads(run("evaluate", home, "-n", "192", "--steps", "30", "--json"))["rows"]
    print({row["name"]: (round(row["samples"], 3), round(row["data"], 3)) for row in rows})
    return {row["name"]: (row["samples"], row["data"]) for row in rows}


def test_most_atoms_are_bonded_as_they_should_be(measured):
    samples, data = measured["atom_stability"]
    assert samples > 0.5  # of an untrained network one in five is, and with the demo's own number of steps four in five
    assert data > 0.98


def test_some_molecules_are_valid_as_a_whole(measured):
    assert measured["graph_validity"][0] > 0.2
    assert measured["novelty"][0] > 0.9


def test_elements_are_as_frequent_as_in_the_data(measured):
    assert measured["elements_tv"][0] < 0.1
