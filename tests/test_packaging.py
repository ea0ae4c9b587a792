"""What is shipped: the core's wheel holds no plugin, a plugin's wheel holds its recipes, and the two agree on versions."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECTS = [ROOT, *sorted(path.parent for path in (ROOT / "plugins").glob("*/pyproject.toml"))]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Project folder name -> names of the files in its wheel."""
    out = tmp_path_factory.mktemp("wheels")
    found = {}
    for project in PROJECTS:
        folder = out / project.name
        command = [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(folder),
            str(project),
        ]
        subprocess.run(command, check=True, capture_output=True)
        found[project.name] = zipfile.ZipFile(next(folder.glob("*.whl"))).namelist()
    return found


def packages(names: list[str]) -> set[str]:
    return {name.split("/")[0] for name in names if ".dist-info/" not in name}


def test_the_core_s_wheel_holds_the_core_alone(wheels):
    assert packages(wheels[ROOT.name]) == {"difftool"}
    resources = {
        str(path.relative_to(ROOT))
        for end in ("j2", "template")
        for path in (ROOT / "difftool").rglob(f"*.{end}")
    }
    assert len(resources) > 10
    assert resources <= set(wheels[ROOT.name])
    assert any(name.endswith("licenses/LICENSE") for name in wheels[ROOT.name])


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.name)
def test_a_wheel_says_that_its_package_is_typed(wheels, project):
    names = wheels[project.name]
    assert f"{packages(names).pop()}/py.typed" in names


@pytest.mark.parametrize("project", PROJECTS[1:], ids=lambda path: path.name)
def test_a_plugin_s_wheel_holds_one_package_with_its_recipes(wheels, project):
    names = wheels[project.name]
    assert packages(names) == {f"difftool_{project.name}"}
    recipes = {str(path.relative_to(project)) for path in project.rglob("recipes/*.toml")}
    offers = "difftool_recipes" in (project / f"difftool_{project.name}/plugin.py").read_text()
    assert bool(recipes) == offers
    assert recipes <= set(names)


def test_versions_agree():
    from difftool import __version__

    for project in PROJECTS:
        assert (
            tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
            == __version__
        )
