"""A run and a model record which package each part came from, and say what to install where one is missing."""

from __future__ import annotations

import json
import shutil
import sys
from importlib import import_module

import pytest
from small import call

from difftool.engine.folder import RunFolder
from difftool.errors import UsageError
from difftool.header import MODEL, read_about
from difftool.plugin.kinds import KINDS
from difftool.plugin.known import _known, provider_of
from difftool.plugin.registry import Registry

CODE = """
from difftool import Options, Spec, hookimpl


class Wide(Options):
    {field}: float = 1.0
{more}


@hookimpl
def difftool_samplers():
    return [Spec("lone", "one", "lone_plugin:lone", "lone_plugin:Wide")]


def lone(denoise, x, sigmas, noise, {field}):
    from difftool import Step
    for i, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x, sigma)
        x = x0 + (x - x0) * (sigma_next / sigma)
        yield Step(i, sigma_next, x, x0)
"""
MIGRATING = """
    @classmethod
    def migrate(cls, saved):
        return {"width": 2 * saved.pop("half")} | saved if "half" in saved else saved
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    folder = tmp_path / "site"
    about = folder / "difftool_lone-2.5.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Name: difftool-lone\nVersion: 2.5\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[difftool]\nlone = lone_plugin\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    return folder


def write(site, field="half", more=""):
    (site / "lone_plugin.py").write_text(CODE.format(field=field, more=more), encoding="utf-8")
    shutil.rmtree(site / "__pycache__", ignore_errors=True)
    sys.modules.pop("lone_plugin", None)


def trained(tmp_path):
    words = ["train", "-m", "image", "--run", str(tmp_path / "run"), "--steps", "1"]
    small = ["--set=backbone.channels=8", "--set=train.preview=0", "--set=train.batch=2"]
    assert call(*words, *small, "--sampler", "lone", "--set", "sampler.half=3") == 0
    return RunFolder(tmp_path / "run")


@pytest.mark.slow
def test_what_is_missing_is_named_with_its_package_and_an_old_model_opens_in_a_new_version(
    site, tmp_path, capsys
):
    write(site)
    run = trained(tmp_path)
    recorded = read_about(run.model_path, MODEL)["parts"]
    assert recorded["sampler lone"] == "difftool-lone 2.5"
    assert recorded["modality image"].startswith("difftool-image ")
    assert recorded["process edm"].startswith("difftool ")
    assert json.loads((run.path / "environment.json").read_text())["parts"] == recorded

    # an option was renamed, and its value is another one
    write(site, "width", MIGRATING)
    capsys.readouterr()
    assert call("sample", str(run.path), "-n", "1", "--steps", "1", "--json") == 0
    assert "width" not in capsys.readouterr().err

    # the package is gone
    shutil.rmtree(site / "difftool_lone-2.5.dist-info")
    for words in (["sample", str(run.path)], ["resume", str(run.path), "--steps", "2"]):
        assert call(*words) == 4
        said = capsys.readouterr().err
        assert "needs the sampler 'lone' of difftool-lone 2.5: pip install difftool-lone" in said


def test_what_is_known_to_provide_a_name_is_proposed_and_nothing_is_installed():
    registry = Registry(report=lambda line: None)
    with pytest.raises(UsageError, match="difftool-image provides it: pip install difftool-image"):
        registry.get("modality", "image")
    with pytest.raises(UsageError, match=r"pip install examples/03-plugin"):
        registry.get("modality", "ecg")


@pytest.mark.parametrize("name", ["audio", "image", "molecule", "video"])
def test_the_list_of_known_packages_agrees_with_what_they_provide(name):
    plugin = import_module(f"difftool_{name}.plugin")
    provided = {
        kind.name: [spec.name for spec in getattr(plugin, kind.hook)()]
        for kind in KINDS.values()
        if hasattr(plugin, kind.hook) and kind.name not in ("recipe", "cascade")
    }
    assert _known()[f"difftool-{name}"] == {
        kind: names for kind, names in provided.items() if names
    }
    assert provider_of("backbone", "unet") == ""
