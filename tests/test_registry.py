"""The plugin door: what comes in, and what a broken or clashing plugin does to the rest (nothing)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import ECG, fake_registry, hooks, plugin

from difftool import hookimpl
from difftool.errors import PluginError, UsageError
from difftool.plugin import discovery
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
            if not isinstance(spec, RecipeSpec) and not unmet(spec.requires):
                assert registry.load(spec) is not None


def leaves():
    raise SystemExit(0)


@pytest.mark.parametrize("name", [None, "", 3])
def test_a_spec_without_a_name_breaks_its_plugin_only(registry, lines, name):
    registry.add(plugin("odd"), lambda: hooks(samplers=[Spec(name, "a solver", "math:pi")]))
    assert "whose name is not a text" in lines[-1]
    assert registry.specs("sampler")


def test_a_plugin_that_exits_or_prints_spoils_nothing(registry, lines, capsys):
    registry.add(plugin("leaving"), leaves)
    assert "'leaving'" in lines[-1]
    registry.add(plugin("loud"), lambda: print("hello") or hooks(samplers=[SDE]))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "hello\n")
    assert registry.get("sampler", "sde") is SDE


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
    names = registry.metrics("ecg")
    assert names == sorted(names)
    assert {"likelihood", "size", "slope"} <= set(names)
    assert "alone" not in names
    assert {"slope", "size"} & set(registry.metrics("tide")) == {"size"}


def test_unknown(registry):
    with pytest.raises(
        UsageError,
        match=r"no sampler 'huen'. Did you mean 'heun'\? Known samplers: consistency, ddim",
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


def test_an_unknown_hook_is_a_remark_and_the_rest_loads(registry, lines):
    registry.add(plugin("new"), _misspelt)
    assert lines == [
        "The plugin 'new' of difftool-ecg 1.2 has a hook difftool_smaplers, which this difftool does "
        "not know. Did you mean difftool_samplers?"
    ]
    assert registry.get("sampler", "sde") is SDE


@pytest.mark.parametrize(
    ("api", "said", "works"),
    [
        (2, "", True),
        (1, "It works in this version", True),
        (0, "Upgrade", False),
        (3, "Upgrade difftool", False),
    ],
)
def test_a_plugin_for_another_level_of_the_interface(
    registry, lines, monkeypatch, api, said, works
):
    """One level back works, with a remark that names the plugin."""
    monkeypatch.setattr(discovery, "LEVEL", 2)
    registry.add(replace(plugin("old"), api=api), lambda: hooks(samplers=[SDE]))
    assert ("sde" in registry.names("sampler")) == works
    assert [said in line and "'old'" in line for line in lines] == [True] * bool(said)


def test_the_level_of_a_plugin_is_in_the_group_of_its_entry_point(tmp_path, monkeypatch):
    about = tmp_path / "difftool_both-1.0.dist-info"
    about.mkdir()
    (about / "entry_points.txt").write_text(
        "[difftool]\nboth = both.one\n[difftool.7]\nboth = both.seven\nlate = both.late\n"
    )
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    found = {point.name: (point.target, level) for point, level in discovery.plugin_points()}
    assert found == {"both": ("both.one", 1), "late": ("both.late", 7)}


def test_a_name_that_two_claim_is_told_apart_by_its_package(registry, lines):
    other = Spec("sde", "another", "math:e")
    registry.add(plugin("one", "first", "1.0"), lambda: hooks(samplers=[SDE]))
    registry.add(plugin("two", "second", "2.0"), lambda: hooks(samplers=[other]))
    assert registry.get("sampler", "first:sde") is SDE
    assert registry.get("sampler", "two:sde") is other


def test_a_plugin_cannot_take_a_name_of_the_core(registry, lines):
    registry.add(plugin("thief"), lambda: hooks(samplers=[SDE, Spec("heun", "mine", "math:e")]))
    assert "it provides the sampler 'heun', a name of difftool's own" in lines[0]
    assert registry.provider(registry.get("sampler", "heun")).distribution == "difftool"
    assert "sde" not in registry.names("sampler")


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
