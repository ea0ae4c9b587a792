"""``difftool plugins check``: a plugin that keeps its promises, one that does not, and what is said of each."""

from __future__ import annotations

import json
import sys

import pytest
from small import call

SAMPLERS = """
from difftool import Step, order


@order(1)
def good(denoise, x, sigmas, noise):
    for i, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x, sigma)
        x = x0 + (x - x0) * (sigma_next / sigma)
        yield Step(i, sigma_next, x, x0)


@order(1)
def careless(denoise, x, sigmas, noise):
    for i, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = denoise(x, sigma)
        x.sub_(x0).mul_(sigma_next / sigma).add_(x0)
        yield Step(i, sigma_next, x, x0)
"""
PLUGIN = """
from difftool import Spec, hookimpl


@hookimpl
def difftool_samplers():
    return [{specs}]
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a plugin of these samplers."""

    def made(*names: str, summary: str = "a sampler", **modules: str) -> None:
        site = tmp_path / "site"
        about = site / "difftool_tried-0.1.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: difftool-tried\nVersion: 0.1\n"
        )
        (about / "entry_points.txt").write_text("[difftool]\ntried = tried.plugin\n")
        (package := site / "tried").mkdir()
        (package / "__init__.py").touch()
        (package / "samplers.py").write_text(SAMPLERS)
        specs = ", ".join(
            f'Spec("tried_{name}", "{summary}", "tried.samplers:{name}")' for name in names
        )
        (package / "plugin.py").write_text(PLUGIN.format(specs=specs))
        for name, code in modules.items():
            (package / f"{name}.py").write_text(code)
        for name in ("tried", "tried.plugin", "tried.samplers"):
            monkeypatch.delitem(sys.modules, name, raising=False)  # of an earlier test
        monkeypatch.syspath_prepend(str(site))

    return made


@pytest.mark.parametrize("name", ["tried", "difftool-tried"])
def test_a_plugin_that_keeps_its_promises(install, capsys, name):
    install("good")
    assert call("plugins", "check", name) == 0
    assert "ok     sampler tried_good: keeps" in capsys.readouterr().out


def test_a_plugin_that_breaks_one_is_told_which(install, capsys):
    install("good", "careless")
    assert call("plugins", "check", "tried", "--json") == 4
    out, err = capsys.readouterr()
    found = {verdict["part"]: verdict["broken"] for verdict in json.loads(out)}
    assert found["sampler tried_good"] == []
    assert any(
        fault.startswith("nothing that was handed over is written to")
        for fault in found["sampler tried_careless"]
    )
    assert "1 of 2 parts of tried break a promise: sampler tried_careless" in err


def test_a_summary_that_fills_the_screen_is_a_fault(install, capsys):
    install("good", summary="long " * 40)
    assert call("plugins", "check", "tried") == 4
    assert "its summary is one line" in capsys.readouterr().out


QUITTING = """
from difftool import Observer, SourceSpec, Spec, hookimpl


class Quitting(Observer):
    def __init__(self, options):
        pass

    def begin(self, run):
        if not run.path.exists():
            raise SystemExit(1)


@hookimpl
def difftool_observers():
    return [Spec("tried_quitting", "ends what it watches", "tried.plugin:Quitting")]


@hookimpl
def difftool_sources():
    return [SourceSpec("tried_cloud", "elsewhere", "tried.plugin:Quitting", patterns=("cloud://*",))]
"""


def test_an_observer_that_ends_runs_is_broken_and_a_source_needs_a_path(install, capsys):
    install(plugin=QUITTING)
    assert call("plugins", "check", "tried") == 4
    out = capsys.readouterr().out
    assert "broken observer tried_quitting" in out
    assert "its own failures end no run: SystemExit: 1" in out
    assert (
        "source_contract needs a path that it opens: add it to the package's module contracts"
        in out
    )


CHURNED = """
from difftool import Options, Spec, hookimpl


class Churn(Options):
    amount: float


@hookimpl
def difftool_samplers():
    return [Spec("tried_churned", "a sampler", "tried.churned:churned", "tried.plugin:Churn")]
"""
OWN = """
from difftool.testing import sampler_contract

TestChurned = sampler_contract("tried_churned", {"amount": 0.0})
"""


def test_the_package_s_module_contracts_gives_the_settings_that_a_part_needs(install, capsys):
    churned = SAMPLERS.replace(
        "def good(denoise, x, sigmas, noise)", "def churned(denoise, x, sigmas, noise, amount)"
    )
    install(plugin=CHURNED, churned=churned, contracts=OWN)
    assert call("plugins", "check", "tried") == 0, capsys.readouterr()
    assert "ok     sampler tried_churned: keeps" in capsys.readouterr().out


def test_contracts_that_cannot_be_imported_are_an_error_that_says_why(install, capsys):
    install("good", contracts="import nowhere_to_be_found")
    assert call("plugins", "check", "tried") == 4
    err = capsys.readouterr().err
    assert "The contract tests of difftool-tried 0.1 cannot be run" in err
    assert "No module named 'nowhere_to_be_found'" in err


def test_a_plugin_that_is_not_installed(capsys):
    assert call("plugins", "check", "nosuch") == 2
    assert "Installed are: core" in capsys.readouterr().err


def test_without_pytest_the_message_says_what_to_install(install, monkeypatch, capsys):
    install("good")
    monkeypatch.setattr("difftool.workflows.check_plugin.find_spec", lambda name: None)
    assert call("plugins", "check", "tried") == 2
    assert "pip install pytest" in capsys.readouterr().err
