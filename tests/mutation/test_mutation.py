"""The kit of contracts proves what it says: faults that are put into parts are caught.

    python tests/mutation/run.py

prints each fault, and what caught it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mutation.copied import write_site
from mutation.faults import FAULTS

RUN = Path(__file__).with_name("run.py")
LEAST = 0.95
"""Share of the faults that the contracts must catch."""

KNOWN_MISSES = {
    # it is a weighting as good as others: that of "eps" falls towards low levels in the same way
    "process: the weight is of the wrong power",
}
"""Faults that the contracts are known to miss. A miss that is not here is an error of its own."""


def score(*words: str) -> list[dict]:
    done = subprocess.run(
        [sys.executable, str(RUN), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def missed(rows: list[dict]) -> list[str]:
    return [f"{row['kind']}: {row['what']}" for row in rows if not row["caught"]]


def test_there_are_faults_of_every_kind(tmp_path):
    write_site(tmp_path)
    here = [f for f in FAULTS if f.old in (tmp_path / f.file).read_text(encoding="utf-8")]
    stale = [f"{f.file}: {f.old!r}" for f in FAULTS if f not in here]
    assert len(here) >= 80, stale
    assert len({fault.kind for fault in here}) >= 12, stale
    assert len(stale) <= 0.05 * len(FAULTS), f"rewrite these faults for the new code: {stale}"
    assert len({(f.subject, f.what) for f in FAULTS}) == len(FAULTS)


@pytest.mark.slow
def test_a_sample_of_the_faults_is_caught():
    rows = score("--every", "20")
    assert len(rows) >= 8
    assert set(missed(rows)) <= KNOWN_MISSES


@pytest.mark.heavy
def test_contracts_pass_on_parts_without_a_fault():
    rows = score("--sound")
    assert {row["subject"]: row["why"] for row in rows if row["caught"]} == {}


@pytest.mark.heavy
def test_nearly_all_faults_are_caught_and_the_others_are_named():
    rows = score()
    assert set(missed(rows)) <= KNOWN_MISSES
    assert len(missed(rows)) <= (1 - LEAST) * len(rows)
