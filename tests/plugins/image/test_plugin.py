"""The plugin as others see it: light, through the public surface alone, with recipes that hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

import difftool
import difftool_image
from difftool_image import plugin

SOURCES = sorted(Path(difftool_image.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_imports_only_the_public_surface(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not any(alias.name.partition(".")[0] == "difftool" for alias in node.names)
        if isinstance(node, ast.ImportFrom) and not node.level and node.module.partition(".")[0] == "difftool":
            assert node.module in ("difftool", "difftool.testing"), node.module
            assert {alias.name for alias in node.names} <= set(difftool.__all__)


@pytest.mark.parametrize(("module", "heavy"), [("plugin", "torch numpy PIL pydantic"), ("options", "torch numpy PIL")])
def test_is_light(module, heavy):
    code = f"import sys, difftool_image.{module}; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_target_exists():
    from difftool.spec import load_object

    for spec in (*plugin.difftool_modalities(), *plugin.difftool_representations()):
        for reference in (spec.target, spec.options, getattr(spec, "request", "")):
            assert not reference or load_object(reference)


@pytest.mark.parametrize("name", plugin.RECIPES)
def test_recipes_resolve_without_a_fault(name):
    from difftool.config.gather import gather
    from difftool.config.resolve import resolve
    from difftool.registry import Registry

    assert files("difftool_image").joinpath(f"recipes/{name}.toml").is_file()
    registry = Registry.load_all()
    config = resolve("image", gather(registry, "image", name, project=None), registry)
    assert config.backbone.use == "unet"


@pytest.mark.parametrize(("text", "size"), [("48x64", (48, 64)), ("32", 32), ("auto", "auto")])
def test_size_as_it_is_typed(text, size):
    from difftool.config.gather import gather
    from difftool.config.resolve import resolve
    from difftool.registry import Registry

    registry = Registry.load_all()
    for given in ({"sets": [f"modality.size={text}"]}, {"flags": [("--size", "modality.size", text)]}):
        config = resolve("image", gather(registry, "image", project=None, **given), registry)
        assert config.modality.options.size == size
