"""Each first-party plugin as others see it: light, through the public surface alone, with recipes that hold."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import difftool
from difftool.config.gather import gather
from difftool.config.resolve import resolve
from difftool.plugin.kinds import KINDS
from difftool.plugin.registry import Registry
from difftool.plugin.spec import load_object

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
NAMES = sorted(path.parent.name for path in PLUGINS.glob("*/pyproject.toml"))
SOURCES = [
    path for name in NAMES for path in sorted((PLUGINS / name / f"difftool_{name}").rglob("*.py"))
]
HEAVY = {"torch", "torchaudio", "numpy", "PIL", "soundfile", "matplotlib", "av"}


def specs(name: str) -> list:
    plugin = import_module(f"difftool_{name}.plugin")
    return [spec for kind in KINDS.values() for spec in getattr(plugin, kind.hook, list)()]


FILES = [spec for name in NAMES for spec in specs(name) if spec.target.endswith(".toml")]
RECIPES = [spec for spec in FILES if "/cascades/" not in spec.target.replace(":", "/")]
PARTS = [spec for name in NAMES for spec in specs(name) if not spec.target.endswith(".toml")]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_imports_only_the_public_surface(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.partition(".")[0] == "difftool" for alias in node.names)
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").partition(".")[0] == "difftool"
        ):
            assert node.module in ("difftool", "difftool.testing"), node.module
            assert node.module == "difftool.testing" or {alias.name for alias in node.names} <= set(
                difftool.__all__
            )


@pytest.mark.parametrize("name", NAMES)
def test_builds_on_other_plugins_only_where_it_depends_on_them(name):
    about = tomllib.loads((PLUGINS / name / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {Requirement(text).name.replace("-", "_") for text in about["project"]["dependencies"]}
    for path in (path for path in SOURCES if path.parent.name == f"difftool_{name}"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            package = (
                (node.module or "").partition(".")[0]
                if isinstance(node, ast.ImportFrom) and not node.level
                else ""
            )
            assert not package.startswith("difftool_") or package in needed, (
                f"{path.name}:{node.lineno}"
            )


@pytest.mark.parametrize("name", NAMES)
def test_is_light(name):
    """Lists and help are printed without anything heavy; a list even without pydantic."""
    options = sorted(
        {
            reference.partition(":")[0]
            for spec in specs(name)
            for reference in (spec.options, getattr(spec, "request", ""))
            if reference
        }
    )
    for modules, heavy in (([f"difftool_{name}.plugin"], HEAVY | {"pydantic"}), (options, HEAVY)):
        code = f"import importlib, sys; [importlib.import_module(m) for m in {modules}]; print(*({heavy} & set(sys.modules)))"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == "", modules


@pytest.mark.parametrize("spec", PARTS, ids=lambda spec: spec.name)
def test_every_target_exists(spec):
    for reference in (spec.target, spec.options, getattr(spec, "request", "")):
        assert not reference or load_object(reference)


@pytest.mark.parametrize("spec", RECIPES, ids=lambda spec: f"{spec.modality}/{spec.name}")
def test_recipes_resolve_without_a_fault(spec):
    package, _, path = spec.target.partition(":")
    assert files(package).joinpath(path).is_file()
    registry = Registry.load_all()
    config = resolve(
        spec.modality, gather(registry, spec.modality, spec.name, project=None), registry
    )
    assert registry.load(registry.get("backbone", config.backbone.use))


def test_every_recipe_and_cascade_file_is_offered():
    on_disk = {
        path.relative_to(PLUGINS / name).as_posix()
        for name in NAMES
        for path in (PLUGINS / name).glob("*/*/*.toml")
    }
    assert on_disk == {spec.target.replace(":", "/") for spec in FILES}
