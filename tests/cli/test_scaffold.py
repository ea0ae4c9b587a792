"""``difftool plugins new``: what it writes installs, passes its own tests and works; what is there already stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

from difftool.cli import main
from difftool.plugin.kinds import KINDS as KIND
from difftool.scaffold import KINDS
from difftool.scaffold.kinds import TEMPLATES

NAMES = {"modality": "tide_level", "sampler": "ralston", "backbone": "stack"}
SMALL = {kind: f"my_{kind}" for kind in TEMPLATES}
"""Packages of one small part each."""


@pytest.fixture
def new(capsys, tmp_path, monkeypatch):
    """``new("NAME", ...)`` -> (exit code, stdout, stderr), run in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str):
        with pytest.raises(SystemExit) as leaving:
            main(["plugins", "new", *args])
        captured = capsys.readouterr()
        return leaving.value.code, captured.out, captured.err

    return run


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_it_writes_a_package_and_says_what_to_do_with_it(new, tmp_path, kind):
    name = (NAMES | SMALL)[kind]
    code, out, err = new(name, "--kind", kind)
    folder = f"difftool-{name.replace('_', '-')}"
    assert (code, out) == (0, f"{folder}\n")
    assert f"pip install -e './{folder}[test]'" in err
    assert f"pytest {folder}" in err
    assert f"difftool_{name}/{kind}.py" in err
    written = files(tmp_path / folder)
    assert {
        "README.md",
        "pyproject.toml",
        f"difftool_{name}/__init__.py",
        f"difftool_{name}/{kind}.py",
        "tests/test_contract.py",
    } <= {*written}
    project = tomllib.loads(written["pyproject.toml"].decode())["project"]
    group, module = ("difftool", "plugin")
    if kind == "command":
        group, module = "difftool.commands", f"command:{name}"
    assert project["entry-points"][group] == {name: f"difftool_{name}.{module}"}
    assert all(path in written for path in readme_files(written["README.md"].decode()))


def readme_files(text: str) -> list[str]:
    """The files that the README's table explains."""
    return [line.split("`")[1] for line in text.splitlines() if line.startswith("| `")]


def test_another_folder_and_folders_above_it(new, tmp_path):
    code, out, err = new("tide", "-o", "my/own")
    assert (code, out) == (0, "my/own\n")
    assert "./my/own[test]" in err
    assert (tmp_path / "my/own/difftool_tide/modality.py").is_file()


@pytest.mark.parametrize("taken", ["folder", "file", "dangling link"])
def test_nothing_is_overwritten(new, tmp_path, taken):
    path = tmp_path / "difftool-tide"
    if taken == "folder":
        path.mkdir()
        (path / "README.md").write_text("mine")
    elif taken == "file":
        path.write_text("mine")
    else:
        path.symlink_to("nowhere")
    before = files(tmp_path)
    code, out, err = new("tide")
    assert (code, out) == (2, "")
    assert "difftool-tide exists already" in err
    assert files(tmp_path) == before
    assert [p.name for p in tmp_path.iterdir()] == ["difftool-tide"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["Tide"], "lower-case letters"),
        (["tide-level"], "lower-case letters"),
        (["2tide"], "lower-case letters"),
        (["_tide"], "lower-case letters"),
        (["tide__level"], "lower-case letters"),
        (["../tide"], "lower-case letters"),
        (["tide\n"], "lower-case letters"),
        (["gezeitenhöhe"], "lower-case letters"),
        ([""], "lower-case letters"),
        (["lambda"], "Python reserves this one"),
        (["list"], "Python reserves this one"),
        (["image"], "'image' of difftool-image"),
        (["unet", "--kind", "backbone"], "There is a backbone 'unet' already, from difftool"),
        (["heun", "--kind", "sampler"], "There is a sampler 'heun' already, from difftool"),
        (["tide", "--kind", "tune"], "'tune'"),
        ([], "NAME"),
    ],
    ids=repr,
)
def test_bad_and_taken_names_are_refused_and_nothing_is_written(new, tmp_path, words, said):
    code, out, err = new(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert list(tmp_path.iterdir()) == []


# --- installed, as wheels -------------------------------------------------------------------------------------------------


def python(*words: str | Path, cwd: Path, path: Path) -> str:
    """Run Python in ``cwd`` with ``path`` among its packages; its stdout."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(path)}
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """One package of each kind, as written."""
    root = tmp_path_factory.mktemp("packages")
    for kind, name in (NAMES | SMALL).items():
        with pytest.raises(SystemExit) as leaving:
            main(["plugins", "new", name, "--kind", kind, "-o", str(root / name)])
        assert leaving.value.code == 0
    return root


@pytest.fixture(scope="module")
def installed(packages, tmp_path_factory):
    """A folder into which they are all installed."""
    target = tmp_path_factory.mktemp("site")
    sources = [packages / name for name in (NAMES | SMALL).values()]
    words = (
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        target,
        *sources,
    )
    python(*words, cwd=target, path=target)
    return target


@pytest.mark.slow
def test_what_is_written_passes_its_own_tests(packages, installed, tmp_path):
    tests = [packages / name / "tests" for name in NAMES.values()]
    python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        *tests,
        cwd=tmp_path,
        path=installed,
    )


@pytest.mark.heavy
@pytest.mark.parametrize("kind", SMALL)
def test_each_small_part_passes_its_contract_at_once(packages, installed, tmp_path, kind):
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", packages / SMALL[kind] / "tests"]
    python(*words, cwd=tmp_path, path=installed)


def test_there_is_a_template_of_every_kind():
    assert {*KINDS, "recipe", "cascade"} == {*KIND, "command"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_package_has_a_readme_a_licence_and_a_workflow(new, tmp_path, kind):
    assert new("my_thing", "--kind", kind)[0] == 0
    written = files(tmp_path / "difftool-my-thing")
    assert {"README.md", "LICENSE", ".github/workflows/test.yml"} <= written.keys()
    assert b"${" not in b"".join(written.values())
    assert all(path in written for path in readme_files(written["README.md"].decode()))


@pytest.mark.slow
def test_what_is_written_works_together_from_the_command_line(installed, tmp_path):
    rng = np.random.default_rng(0)
    for i in range(6):  # two axes of odd sizes, in another precision than the network's
        folder = tmp_path / "data" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        np.save(folder / f"{i}.npy", rng.normal(size=(2, 5, 7)))

    def difftool(*words: str | int) -> str:
        return python("-m", "difftool", *words, cwd=tmp_path, path=installed)

    brief = ("--steps", 3, "--set", "train.preview=2", "--set", "sample.steps=2")
    difftool(
        "train",
        "-m",
        "tide_level",
        "data",
        "--set=representation.spread=0.4",
        "--run",
        "run",
        *brief,
    )
    made = json.loads(
        difftool(
            "sample",
            "run",
            "-n",
            2,
            "--steps",
            2,
            "--sampler",
            "ralston",
            "--cond",
            "class=a",
            "--json",
        )
    )
    assert all(np.load(tmp_path / row["path"]).shape == (2, 5, 7) for row in made["samples"])
    difftool(
        "train",
        "-m",
        "tide_level",
        "--backbone",
        "stack",
        "--sampler",
        "ralston",
        "--run",
        "other",
        *brief,
    )
    assert (tmp_path / "other" / "model.safetensors").is_file()


@pytest.mark.slow
def test_what_is_written_is_formatted_as_this_project_is(packages):
    root = Path(__file__).parents[2]
    for words in (["ruff", "check"], ["ruff", "format", "--check"]):
        python(
            "-m",
            *words,
            "--no-cache",
            "--config",
            root / "pyproject.toml",
            packages,
            cwd=packages,
            path=packages,
        )


@pytest.mark.heavy
def test_what_is_written_is_typed(packages):
    """To mypy's strictest, against difftool's own annotations."""
    root = Path(__file__).parents[2]
    files = sorted(packages.glob("*/difftool_*/*.py"))
    words = ("-m", "mypy", "--strict", "--cache-dir", packages / "cache", *files)
    assert "Success" in python(*words, cwd=packages, path=root)
