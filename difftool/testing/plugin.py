"""The contract of a whole plugin: that it is light, that what it names is there, and that it runs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from ..assemble import build_stage, open_dataset
from ..config import NONE, Config, gather, resolve
from ..engine.device import choose_device
from ..engine.fit import fit
from ..engine.folder import RunFolder
from ..modality import Modality
from ..plugin.discovery import Plugin, unmet
from ..plugin.spec import ModalitySpec, Spec
from ..stage import Stage
from ..workflows.cascade import cascade_path, stages_of
from .parts import load, named, registry

BRIEF = (
    "train.steps=2",
    "train.batch=2",
    "train.accumulate=1",
    "train.preview=0",
    'train.device="cpu"',
    'train.precision="fp32"',
    'train.compile="off"',
)
"""Settings of a run of two steps."""

WIDTH = 120
"""Columns of a summary line."""


def plugin_contract(
    name: str,
    *,
    sets: Sequence[str] | Mapping[str, Sequence[str]] = (),
    data: str = "",
) -> type:
    """Tests that check a whole plugin: its module, its specs, its recipes and its cascades.

    The parts have contracts of their own.

    Args:
        name: of its entry point, or of its package.
        sets: settings of any part, as for ``--set``, that make its recipes and cascades small
            enough to train for two steps; or such settings by ``modality/recipe``.
        data: a folder of examples, for a modality without a demo set.
    """

    def plugin() -> Plugin:
        found = [p for p in registry().plugins if name in (p.name, p.distribution)]
        assert found, f"there is no plugin {name!r}; it may have failed to load"
        return found[0]

    def specs() -> list[tuple[str, Spec]]:
        provided = [
            (kind, part) for kind, parts in registry().provides(plugin()).items() for part in parts
        ]
        return [(kind, registry().get(kind, part)) for kind, part in provided]

    def files(kind: str) -> list[str]:
        return registry().provides(plugin()).get(kind, [])

    def small(full: str) -> list[str]:
        own = sets.get(full, ()) if isinstance(sets, Mapping) else sets
        return [*BRIEF, *([f"data.path={data!r}"] if data else []), *own]

    class PluginContract:
        def test_it_loads(self) -> None:
            assert not plugin().error

        def test_importing_it_is_light_and_prints_nothing(self) -> None:
            """Every command imports it, also those that need nothing of it."""
            assert _imported(plugin().module.partition(":")[0]) == ""

        def test_options_need_no_torch(self) -> None:
            """difftool imports them to print help and to check a configuration."""
            modules = {
                reference.partition(":")[0]
                for _, spec in specs()
                for reference in (spec.options, *_light(spec))
                if reference
            }
            assert not modules or "torch" not in _imported(*sorted(modules))

        def test_every_hook_is_marked_and_known(self) -> None:
            assert registry().remarks(plugin()) == []

        def test_its_names_are_its_own(self) -> None:
            assert registry().clashes(plugin()) == []

        def test_summaries_fit_one_line(self) -> None:
            assert [
                spec.name
                for _, spec in specs()
                if not spec.summary or "\n" in spec.summary or len(spec.summary) > WIDTH
            ] == []

        def test_every_target_can_be_imported(self) -> None:
            """Except where what a part requires is not installed: users are told so there."""
            for kind, spec in specs():
                if kind not in ("recipe", "cascade"):
                    if not unmet(spec.requires):
                        registry().load(spec)
                    registry().options(spec)
                if isinstance(spec, ModalitySpec):
                    registry().inspection(spec)

        def test_every_recipe_takes_two_steps(
            self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
            for full in files("recipe"):
                use, _, recipe = full.rpartition("/")
                layers = gather(registry(), use, recipe, sets=small(full), project=None)
                where = tmp_path / full.replace("/", "-")
                _train(resolve(use, layers, registry()), where)

        def test_every_cascade_takes_two_steps_in_every_stage(
            self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
        ) -> None:
            monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
            for full in files("cascade"):
                stages = stages_of(cascade_path(full, registry()), registry(), sets=small(full))
                earlier: Stage | None = None
                places = {
                    stage.name: tmp_path / f"{full.replace('/', '-')}-{i}"
                    for i, stage in enumerate(stages)
                }
                for stage in stages:
                    config = stage.config
                    if stage.coder:
                        config = stage.coded_by(places[stage.coder] / "model.safetensors")
                    built = _train(config, places[stage.name])
                    if earlier is not None and built.bridge is not None:
                        built.bridge.check_compatible(earlier.description)
                    earlier = built

    return named(PluginContract, name)


def _light(spec: Spec) -> tuple[str, ...]:
    """Further modules that difftool imports before torch."""
    return tuple(getattr(spec, attribute, "") for attribute in ("request", "column"))


def _imported(*modules: str) -> str:
    """What importing these modules in a new process prints, and heavy modules that it imports."""
    code = (
        f"import importlib, sys; sys.path[:] = {sys.path}\n"
        f"for name in {list(modules)}: importlib.import_module(name)\n"
        "print(*{'torch'} & set(sys.modules), end='')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _train(config: Config, path: Path) -> Stage:
    """The stage after two steps."""
    target, _ = load("modality", config.modality.use)
    if not config.data.path and target.demo is Modality.demo:
        pytest.skip(f"{config.modality.use} has no demo set: give the contract data=...")
    config, dataset = open_dataset(config, registry())
    folder = RunFolder.create(path, config.to_toml(), dataset.description, dataset.source)
    stage = build_stage(
        config, registry(), dataset.description, choose_device("cpu"), dataset.modality
    )
    losses = [progress.loss for progress in fit(stage, dataset, folder)]
    assert len(losses) == 2
    assert all(loss is None or np.isfinite(loss) for loss in losses)
    assert config.bridge.use == NONE or stage.bridge is not None
    return stage
