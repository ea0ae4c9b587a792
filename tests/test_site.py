"""The documents as a site: its pages name what exists, and the tutorial is followed word for word."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import difftool
from difftool.plugin.kinds import KINDS

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'```(python|sh)(?: title="([^"]+)")?\n(.*?)```', re.S)


@pytest.fixture(scope="module")
def site() -> ModuleType:
    """``docs/site.py``, without MkDocs, which only ``.ci/run`` installs."""
    text = (ROOT / "docs" / "site.py").read_text(encoding="utf-8")
    module = ModuleType("site_of_documents")
    exec(
        text.replace("from mkdocs.structure.files import File, Files", "File = Files = object"),
        vars(module),
    )
    return module


def test_there_is_a_page_for_each_kind_with_a_short_example_of_it(site):
    pages = site.pages()
    for name in KINDS:
        page = pages[f"kinds/{name}.md"]
        assert KINDS[name].summary in page
        if name not in ("recipe", "cascade"):
            code = page.partition("```python\n")[2].partition("```")[0]
            assert 5 < len(code.splitlines()) < 100
            compile(code, name, "exec")


def test_the_reference_explains_every_public_name_where_it_is(site):
    named = re.findall(r"^::: (\S+)$", site.reference(), re.M)
    assert len(named) == len(set(named)) == len(difftool._HOME)
    for path in named:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path


def test_the_pages_of_the_site_exist():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("nav:")[2]
    made = {"reference.md", "kinds/index.md"}
    listed = set(re.findall(r"[\w/]+\.md", text))
    assert made <= listed
    assert all((ROOT / "docs" / page).is_file() for page in listed - made)


@pytest.mark.heavy
def test_the_tutorial_is_followed_word_for_word(tmp_path):
    """Files are written, and commands are run, in the order of the page."""
    target = tmp_path / "site-packages"
    env = {
        **os.environ,
        "DIFFTOOL_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(target), os.environ.get("PYTHONPATH", str(ROOT))]),
    }
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    done = 0
    for language, title, code in BLOCK.findall(text):
        if language == "python":
            (tmp_path / title).write_text(code, encoding="utf-8")
            continue
        for line in code.splitlines():
            words = shlex.split(line)
            if words[:2] == [
                "pip",
                "install",
            ]:  # without the network, and not into this environment
                where = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
                words = ["pip", "install", "-q", *where, words[-1].partition("[")[0]]
            if words[0] in ("pip", "difftool"):
                words = ["python", "-m", *words]
            command = [sys.executable if word == "python" else word for word in words]
            ran = subprocess.run(
                command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
            done += 1
    assert done >= 7
    assert len(list((tmp_path / "run/samples/1").glob("*-winter.txt"))) == 4
