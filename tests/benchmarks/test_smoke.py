"""Every benchmark still runs: what nobody runs breaks unseen when the code that it measures changes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
MODULES = sorted(FOLDER.glob("*.py"))
SCRIPTS = [
    path for path in MODULES if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
]
HELPERS = [path for path in MODULES if path not in SCRIPTS]

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_runs(script, tmp_path):
    """In a folder of its own, in which it leaves nothing; its report is JSON that nobody takes for a measurement."""
    work = tmp_path / "work"
    work.mkdir()
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), "--smoke"]
    done = subprocess.run(
        command, cwd=work, env=env, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["smoke"] is True
    assert not list(work.iterdir())


@pytest.mark.parametrize("helper", HELPERS, ids=lambda path: path.stem)
def test_a_module_that_is_not_a_script_is_used(helper):
    used = re.compile(rf"^\s*(from|import) {helper.stem}\b", re.MULTILINE)
    others = [path for path in MODULES if path != helper]
    assert any(used.search(path.read_text(encoding="utf-8")) for path in others)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_its_measurements_have_a_page(script):
    """Beside the script, and linked from the overview."""
    assert script.with_suffix(".md").is_file()
    assert f"benchmarks/{script.stem}.md" in (FOLDER.parent / "docs" / "benchmarks.md").read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "module", [m for m in MODULES if not m.stem.startswith("gpu")], ids=lambda path: path.stem
)
def test_it_uses_the_public_surface_only(module):
    """As a user can. What looks at recorded steps and kernels on a GPU tests the engine itself."""
    deeper = re.compile(r"^\s*(?:from|import) difftool\.(\w+)", re.MULTILINE)
    assert deeper.findall(module.read_text(encoding="utf-8")) == []
