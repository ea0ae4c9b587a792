"""The plugin door: what comes in, and what a broken or clashing plugin does to the rest (nothing)."""

from __future__ import annotations

import pytest
from fakes import ECG, fake_registry, hooks, plugin

from difftool import hookimpl
from difftool.errors import PluginError, UsageError
from difftool.plugin.discovery import Plugin, unmet
from difftool.plugin.kinds import KINDS
from difftool.plugin.registry import Registry
from difftool.plugin.spec import MetricSpec, ModalitySpec, RecipeSpec, Spec

SDE = Spec("sde", "a solver", "math:pi")


@pytest.fixture
def lines():
    return []


@pytest.fixture
def registry(lines):
    return fake_registry(report=lines.append)


def fails():
    raise ImportError("No module named 'nothing'")


def test_all_installed_parts_can_be_imported():
    registry = Registry.load_all()
    for kind in KINDS:
        for spec in registry.specs(kind):
            assert spec.summary
            assert "\n" not in spec.summary
            registry.options(spec)
            if not isinstance(spec, RecipeSpec):
                assert registry.load(spec) is not None


def test_get(registry):
    assert registry.get("modality", "ecg") is ECG
    assert registry.provider(ECG).package == "difftool-ecg 1.2"
    assert registry.names("modality") == ["ecg", "tide"]


def test_a_metric_may_name_modalities_of_other_packages(registry):
    ecg, every = (
        MetricSpec("slope", "", "math:pi", modalities=("ecg",)),
        MetricSpec("size", "", "math:pi", modalities=("*",)),
    )
    registry.add(plugin("more"), lambda: hooks(metrics=[ecg, every, Spec("alone", "", "math:pi")]))
    assert registry.metrics("ecg") == ["size", "slope"]
    assert registry.metrics("tide") == ["size"]


def test_unknown(registry):
    with pytest.raises(
        UsageError, match=r"no sampler 'huen'. Did you mean 'heun'\? Known samplers: ddim"
    ):
        registry.get("sampler", "huen")
    with pytest.raises(UsageError, match=r"no kind of part 'smapler'. Did you mean 'sampler'"):
        registry.get("smapler", "heun")


def test_a_broken_plugin_is_one_line_and_no_outage(registry, lines):
    registry.add(plugin("eeg", "difftool-eeg", "0.3"), fails)
    assert lines == [
        "The plugin 'eeg' of difftool-eeg 0.3 could not be loaded: ImportError: No module named 'nothing'"
    ]
    assert registry.get("modality", "ecg") is ECG
    assert [p.error for p in registry.plugins][:2] == ["", ""]


def test_a_broken_plugin_is_an_error_where_it_was_asked_for(registry):
    registry.add(plugin("eeg", "difftool-eeg", "0.3"), fails)
    with pytest.raises(
        PluginError, match=r"difftool-eeg 0.3 could not be loaded: ImportError: No module"
    ):
        registry.get("modality", "eeg")
    with pytest.raises(UsageError, match=r"Did you mean 'heun'"):
        registry.get("sampler", "huen")


def _misspelt():
    @hookimpl
    def difftool_smaplers():
        return []

    return type(
        "Module",
        (),
        {
            "difftool_smaplers": staticmethod(difftool_smaplers),
            "difftool_samplers": hooks(samplers=[SDE]).difftool_samplers,
        },
    )


def _wrong_type():
    return hooks(samplers=[SDE], modalities=[SDE])


def _raises():
    @hookimpl
    def difftool_samplers():
        raise ValueError("two\nlines")

    module = hooks(backbones=[SDE])
    module.difftool_samplers = difftool_samplers
    return module


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (_misspelt(), "difftool_smaplers"),
        (_wrong_type(), "must yield ModalitySpec"),
        (_raises(), "ValueError: two"),
    ],
)
def test_a_plugin_that_fails_half_way_leaves_nothing_behind(registry, lines, module, said):
    registry.add(plugin("bad"), lambda: module)
    assert len(lines) == 1
    assert said in lines[0]
    assert "sde" not in registry.names("sampler") + registry.names("backbone")
    registry.add(plugin("good"), lambda: hooks(samplers=[SDE]))
    assert registry.get("sampler", "sde") is SDE


def test_a_clash_names_both_packages_and_stops_no_other_part(registry, lines):
    registry.add(plugin("one", "first", "1.0"), lambda: hooks(samplers=[SDE]))
    registry.add(
        plugin("two", "second", "2.0"), lambda: hooks(samplers=[Spec("sde", "another", "math:e")])
    )
    assert "first 1.0 and second 2.0" in lines[0]
    with pytest.raises(PluginError, match=r"'sde' is provided by first 1.0 and second 2.0"):
        registry.get("sampler", "sde")
    assert registry.get("sampler", "heun").name == "heun"
    assert "sde" not in [spec.name for spec in registry.specs("sampler")]


def test_requirements_are_checked_before_the_import(registry):
    spec = Spec(
        "video",
        "",
        "a_module_that_is_not_there:X",
        requires=("difftool-needs-this>=2", "pytest", "pip<0.1; python_version<'3'"),
    )
    registry.add(plugin(), lambda: hooks(samplers=[spec]))
    with pytest.raises(
        PluginError,
        match=r"needs difftool-needs-this>=2 \(not installed\). Install it with: pip install 'difftool-needs-this>=2'",
    ):
        registry.load(spec)
    assert unmet(["pytest<1"])[0][1].endswith("is installed")


def test_a_part_that_cannot_be_imported_names_its_plugin(registry):
    spec = Spec("x", "", "a_module_that_is_not_there:X", options="math:pi")
    registry.add(plugin("p", "dist", "9"), lambda: hooks(samplers=[spec]))
    with pytest.raises(
        PluginError,
        match=r"'x' of the plugin 'p' \(dist 9\) could not be imported: ModuleNotFoundError",
    ):
        registry.load(spec)
    with pytest.raises(PluginError, match=r"is not a subclass of difftool.Options"):
        registry.options(spec)


def test_what_a_plugin_provides(registry):
    core, ecg = registry.plugins
    assert registry.provides(ecg) == {
        "modality": ["ecg", "tide"],
        "representation": ["raw", "wave"],
    }
    assert "heun" in registry.provides(core)["sampler"]
    assert isinstance(registry.modality("tide"), ModalitySpec)
    assert registry.process("flow").schedule == "flow"
    assert registry.provider(Spec("?", "", "a:b")) == Plugin(
        "?", "a:b", "an unregistered package", ""
    )
