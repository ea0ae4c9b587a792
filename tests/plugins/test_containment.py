"""Nine broken packages at once: each is told in one line, and everything else works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOOK = "from difftool import Spec, hookimpl\n\n\n@hookimpl\ndef difftool_samplers():\n    return [Spec({name!r}, 'one', 'math:e')]\n"

BROKEN = {
    "raises": "raise RuntimeError('no luck today')",
    "leaves": "raise SystemExit('goodbye')",
    "prints": "print('hello from prints')\n" + HOOK.format(name="printed"),
    "heavy": "import torch\n" + HOOK.format(name="heavy"),
    "slow": "import time\ntime.sleep(1.2)\n" + HOOK.format(name="slow"),
    "thief": HOOK.format(name="heun"),
    "first": HOOK.format(name="claimed"),
    "second": HOOK.format(name="claimed"),
    "misspelt": HOOK.format(name="spelt")
    + "\n\n@hookimpl\ndef difftool_smaplers():\n    return []\n",
    "unmarked": "def difftool_samplers():\n    return []\n",
}
SAID = {
    "raises": "The plugin 'raises' of difftool-raises 1.0 could not be loaded: RuntimeError: no luck today",
    "leaves": "The plugin 'leaves' of difftool-leaves 1.0 could not be loaded: SystemExit: goodbye",
    "prints": "hello from prints",
    "heavy": "The plugin 'heavy' of difftool-heavy 1.0 imports torch, so every command waits for it.",
    "slow": "The plugin 'slow' of difftool-slow 1.0 takes 1.",
    "thief": "The plugin 'thief' of difftool-thief 1.0 could not be loaded: it provides the sampler 'heun', a name of difftool's own.",
    "second": "The sampler 'claimed' is provided by difftool-first 1.0 and difftool-second 1.0. Write difftool-first:claimed",
    "misspelt": "The plugin 'misspelt' of difftool-misspelt 1.0 has a hook difftool_smaplers, which this difftool does not know. Did you mean difftool_samplers?",
    "unmarked": "The plugin 'unmarked' of difftool-unmarked 1.0 has a function difftool_samplers without @difftool.hookimpl, so it is not used.",
}


def install(site: Path, name: str, code: str, group: str = "difftool") -> None:
    """A package as pip leaves it, with one module."""
    (site / f"{name}_plugin.py").write_text(code, encoding="utf-8")
    about = site / f"difftool_{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Name: difftool-{name}\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(f"[{group}]\n{name} = {name}_plugin\n", "utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    for name, code in BROKEN.items():
        install(folder, name, code)
    return folder


def ran(site: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path, **more}
    return subprocess.run(
        [sys.executable, "-m", "difftool", *words],
        capture_output=True,
        text=True,
        check=False,
        env=env,
    )


@pytest.mark.slow
def test_each_is_reported_in_one_line_and_all_else_works(site):
    done = ran(site, "list", "samplers", "--json")
    assert done.returncode == 0
    names = {row["name"] for row in json.loads(done.stdout)["samplers"]}
    assert {"heun", "printed", "slow", "heavy", "spelt"} <= names
    assert "claimed" not in names
    lines = done.stderr.splitlines()
    for name, text in SAID.items():
        assert [line for line in lines if text in line], (name, done.stderr)
    hanging = [line for line in lines if " has been importing for " in line]  # on a busy machine
    assert len(lines) - len(hanging) == len(SAID), done.stderr


@pytest.mark.slow
def test_one_that_hangs_is_named_while_it_hangs(tmp_path):
    """Before its import ends, in one line: a user sees what to leave out."""
    install(tmp_path, "hangs", "import time\ntime.sleep(60)\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with subprocess.Popen(
        [sys.executable, "-m", "difftool", "plugins", "list"],
        env={**os.environ, "PYTHONPATH": path, "DIFFTOOL_PLUGINS": "hangs"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        told = running.stderr.readline()
        assert running.poll() is None
        running.kill()
    assert told.startswith("The plugin 'hangs' of difftool-hangs 1.0 has been importing for 3 s")


@pytest.mark.slow
def test_the_list_marks_what_is_broken_and_leaves_with_code_4(site):
    done = ran(site, "plugins", "list")
    assert done.returncode == 4
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "broken: RuntimeError: no luck today" in rows["raises"]
    assert "broken: SystemExit: goodbye" in rows["leaves"]
    assert "broken: it provides the sampler 'heun'" in rows["thief"]
    assert "claimed by another plugin too: sampler claimed" in rows["first"]
    assert "hello" not in done.stdout


@pytest.mark.slow
def test_some_or_all_plugins_can_be_left_out(site):
    assert ran(site, "list", "samplers", "--no-plugins").stderr == ""
    some = ran(site, "list", "samplers", DIFFTOOL_PLUGINS="misspelt, difftool-thief, typo")
    assert [line.partition(" of ")[0] for line in some.stderr.splitlines()] == [
        "The plugin 'misspelt'",
        "The plugin 'thief'",
        "DIFFTOOL_PLUGINS names 'typo', but no plugin",
    ]


@pytest.mark.slow
def test_debug_shows_where_a_plugin_failed(site):
    shown = ran(site, "show", "sampler", "heun", "--debug", DIFFTOOL_PLUGINS="raises")
    assert shown.returncode == 0
    assert "raises_plugin.py" in shown.stderr
    assert "line 1" in shown.stderr


@pytest.mark.slow
def test_one_of_two_that_claim_a_name_is_chosen_by_its_package(site):
    two = {"DIFFTOOL_PLUGINS": "first,second,image"}
    refused = ran(site, "show", "sampler", "claimed", **two)
    assert refused.returncode == 4
    assert ran(site, "show", "sampler", "difftool-second:claimed", **two).returncode == 0
