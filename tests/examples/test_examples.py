"""The examples run as they say they do, each in a process of its own."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import difftool
import difftool.testing
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.folder import RunFolder
from difftool.plugin.kinds import KINDS

EXAMPLES = Path(__file__).parents[2] / "examples"

pytestmark = pytest.mark.slow


def python(*words: str | Path, cwd: Path, path: Path | None = None) -> str:
    """Run Python in ``cwd``; its stdout."""
    where = os.pathsep.join(filter(None, [str(path or ""), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": where}
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


def test_train_and_sample_from_python(tmp_path):
    lines = python(EXAMPLES / "01_train_and_sample.py", 3, cwd=tmp_path).splitlines()
    assert lines[0].startswith("step 3  loss ")
    assert lines[1].startswith("(3, 16, 16) uint8, the first of 8")
    assert len(lines) == 10
    assert all((tmp_path / line).is_file() for line in lines[2:])
    name, value = re.search(r"\{'(\w+)': '(\w+)'", lines[1]).groups()
    fitted = python(EXAMPLES / "08_score_distillation.py", "latest", name, value, 2, cwd=tmp_path)
    assert fitted.splitlines()[0].startswith("step 2  loss ")
    assert (tmp_path / fitted.splitlines()[-1]).is_file()


@pytest.mark.heavy  # it makes its data and trains a model first
def test_a_field_in_space_is_fitted_to_views(tmp_path):
    lines = python(EXAMPLES / "10_field_from_views.py", 2, 2, cwd=tmp_path).splitlines()
    assert lines[0].startswith("step 2  loss ")
    assert (tmp_path / "views.png").is_file()


@pytest.mark.heavy
def test_a_config_file(tmp_path):
    brief = ["--steps", "3", "--set", "train.preview=2", "--set", "sample.steps=2"]
    python(
        "-m",
        "difftool",
        "train",
        "--config",
        EXAMPLES / "02-config/flow.toml",
        "--run",
        "flow",
        *brief,
        cwd=tmp_path,
    )
    made = json.loads(
        python(
            "-m",
            "difftool",
            "sample",
            "flow",
            "-n",
            4,
            "--cond",
            "class=star,moon",
            "--json",
            cwd=tmp_path,
        )
    )
    assert [row["cond"]["class"] for row in made["samples"]] == ["star", "moon"] * 2


def install(example: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which an example's package was installed, as a wheel of it would be."""
    target = tmp_path_factory.mktemp("site")
    source = shutil.copytree(
        EXAMPLES / example, tmp_path_factory.mktemp("source") / "plugin"
    )  # building leaves things behind
    python(
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        target,
        source,
        cwd=target,
    )
    return target


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    return install("03-plugin", tmp_path_factory)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return install("04-parts", tmp_path_factory)


@pytest.mark.heavy
def test_a_plugin_s_modality_trains_resumes_and_samples_from_the_command_line(installed, tmp_path):
    def difftool(*words: str | int) -> str:
        return python("-m", "difftool", *words, cwd=tmp_path, path=installed)

    difftool(
        "train",
        "-m",
        "ecg",
        "--run",
        "run",
        "--steps",
        60,
        "--set",
        "train.preview=2",
        "--set",
        "train.save_every=30",
    )
    difftool("resume", "run", "--steps", 64)
    made = json.loads(difftool("sample", "run", "-n", 4, "--cond", "class=calm,racing", "--json"))
    signals = [
        np.loadtxt(row["path"] if Path(row["path"]).is_absolute() else tmp_path / row["path"])
        for row in made["samples"]
    ]
    assert all(signal.shape == (64,) and np.isfinite(signal).all() for signal in signals)
    state, about = load_checkpoint(RunFolder.open(tmp_path / "run").latest_checkpoint())
    assert about["step"] == 64
    assert state


def test_the_plugin_passes_its_contracts(installed, tmp_path):
    python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        EXAMPLES / "03-plugin/tests",
        cwd=tmp_path,
        path=installed,
    )


def test_there_is_an_example_of_every_kind():
    plugins = [EXAMPLES / "03-plugin/difftool_ecg", EXAMPLES / "04-parts/difftool_parts"]
    hooks = {
        hook
        for folder in plugins
        for hook in re.findall(r"def (difftool_\w+)", (folder / "plugin.py").read_text())
    }
    # a named cascade is a file of stages, like the recipe; the image plugin has one
    assert {kind.hook for kind in KINDS.values()} - hooks == {"difftool_cascades"}


LINES = {
    "03-plugin": 100,
    "05-drawings": 150,
    "06-voxels": 150,
    "07-diffusers": 420,
    "09-points": 170,
}
"""Lines of Python of an example's package, without empty ones, that it stays below."""


@pytest.mark.parametrize("example", LINES)
def test_an_example_is_short_and_uses_the_public_surface_only(example):
    sources = [path.read_text("utf-8") for path in (EXAMPLES / example).glob("difftool_*/*.py")]
    lines = [line for text in sources for line in text.splitlines() if line.strip()]
    assert 20 < len(lines) < LINES[example]
    for node in (node for text in sources for node in ast.walk(ast.parse(text))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "difftool":
            assert node.module in ("difftool", "difftool.testing")
            public = difftool.testing if node.module != "difftool" else difftool
            assert {alias.name for alias in node.names} <= set(public.__all__)
        assert not isinstance(node, ast.Import) or {a.name for a in node.names} != {"difftool"}


@pytest.mark.heavy
@pytest.mark.parametrize("example", ["05-drawings", "06-voxels", "07-diffusers", "09-points"])
def test_an_example_of_a_package_passes_its_contracts(example, tmp_path_factory, tmp_path):
    """Every contract of its parts, two steps of each recipe, and of each stage of its cascade."""
    if example == "07-diffusers":
        pytest.importorskip("diffusers")
    site = install(example, tmp_path_factory)
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", EXAMPLES / example / "tests"]
    python(*words, cwd=tmp_path, path=site)


@pytest.mark.heavy
def test_drawings_are_sampled_as_long_as_asked_and_measured(tmp_path_factory, tmp_path):
    site = install("05-drawings", tmp_path_factory)

    def difftool(*words: str | int) -> str:
        return python("-m", "difftool", *words, cwd=tmp_path, path=site)

    small = ["--set=train.preview=2", "--set=backbone.channels=8", "--set=sample.steps=2"]
    difftool("train", "-m", "drawings", "--run", "run", "--steps", 3, *small)
    made = json.loads(
        difftool("sample", "run", "-n", 3, "--length", 17, "--cond", "class=flower", "--json")
    )
    for row in made["samples"]:
        text = (tmp_path / row["path"]).read_text("utf-8")
        assert len(re.findall(r"[\d.-]+,[\d.-]+", text)) == 17
        assert '"class": "flower"' in text
    assert "ink_distance" in difftool("evaluate", "run", "-n", 4, "--steps", 2, "--json")


def test_one_small_part_of_each_kind_passes_its_contract(parts, tmp_path):
    python(
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        EXAMPLES / "04-parts/tests",
        cwd=tmp_path,
        path=parts,
    )


@pytest.mark.heavy
def test_one_small_part_of_each_kind_works_from_the_command_line(parts, tmp_path):
    def difftool(*words: str | int) -> str:
        return python("-m", "difftool", *words, cwd=tmp_path, path=parts)

    assert "Commands of plugins:\n  age  Says how long a run has trained." in difftool("--help")
    small = [
        "--set=train.preview=0",
        "--set=backbone.channels=8",
        "--set=backbone.blocks=1",
        "--set=train.log_every=1",
    ]
    difftool(
        "train",
        "-m",
        "image",
        "--run",
        "run",
        "--steps",
        2,
        "--set=optimizer.use=lion",
        "--set=observers.mine.use=csv",
        "--set=process.use=angle",
        "--set=objective.use=huber",
        "--set=representation.use=unit-variance",
        "--lr",
        "1e-4",
        *small,
    )
    assert difftool("age", "run").startswith("run: step 2, loss ")
    lines = (tmp_path / "run/losses.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in lines] == ["step", "1", "2"]
    difftool("export", "run", "--to", "weights.npz")
    with np.load(tmp_path / "weights.npz") as found:
        assert len(found.files) > 10
    measured = difftool(
        "evaluate",
        "run",
        "-n",
        4,
        "--steps",
        2,
        "--sampler",
        "ralston",
        "--data",
        8,
        "--metrics",
        "brightness",
        "--json",
    )
    assert "brightness_error" in measured
