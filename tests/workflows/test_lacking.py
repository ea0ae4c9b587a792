"""A guidance that needs what a model lacks names the command that makes it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from small import registry

from difftool.config import gather, resolve
from difftool.engine.weights import MODEL, save_weights
from difftool.errors import UsageError
from difftool.workflows.lacking import refuse_lacking, refuse_without_noise
from difftool.workflows.request import Request


def config(*sets):
    return resolve("image", gather(registry(), "image", sets=sets, project=None), registry())


def model(**conditions):
    """A model's header, as far as it is asked."""
    columns = {name: SimpleNamespace(settable=value) for name, value in conditions.items()}
    return SimpleNamespace(name="run", description=SimpleNamespace(conditions=columns))


@pytest.fixture
def saved(tmp_path):
    """A function that saves a model of an objective, and returns its path."""

    def save(use):
        path = tmp_path / f"{use}.safetensors"
        about = {"config": {"objective": {"use": use}}, "description": {}}
        save_weights(path, MODEL, {"a": torch.zeros(1)}, about)
        return path

    return save


@pytest.mark.parametrize("use", ["cfg", "cfgpp", "apg"])
def test_guidance_by_labels_needs_labels_where_it_is_asked_for(use):
    sets = [f"guidance.use={use}", "guidance.scale=0.5"]
    asked = Request(sets=tuple(sets))
    with pytest.raises(UsageError, match="difftool tune guidance run"):
        refuse_lacking(model(noise=False), config(*sets), asked)
    refuse_lacking(model(style=True), config(*sets), asked)
    refuse_lacking(model(), config(*sets), Request())  # the recipe's habit


def test_a_guidance_needs_models_of_its_kind(saved, tmp_path):
    def asked(use, path):
        key = "models" if use == "composition" else "model"
        value = f'["{path}"]' if use == "composition" else path
        refuse_lacking(
            model(), config(f"guidances.g.use={use}", f"guidances.g.{key}={value}"), Request()
        )

    for use in ("classifier", "autoguidance", "composition"):
        with pytest.raises(UsageError, match="There is no model"):
            asked(use, tmp_path / "none")
    with pytest.raises(UsageError, match="--objective classifier"):
        asked("classifier", saved("denoising"))
    with pytest.raises(UsageError, match="is a classifier"):
        asked("autoguidance", saved("classifier"))
    asked("classifier", saved("classifier"))
    asked("autoguidance", saved("denoising"))


def test_an_average_of_any_width_needs_snapshots(saved, tmp_path):
    run = SimpleNamespace(name="run", path=tmp_path / "model.safetensors")
    run.description = SimpleNamespace(conditions={})
    with pytest.raises(UsageError, match=r"ema\.snapshot_every=N"):
        refuse_lacking(run, config(), Request(ema=0.1))
    (tmp_path / "snapshots").mkdir()
    saved("denoising").rename(tmp_path / "snapshots" / "00000002.safetensors")
    refuse_lacking(run, config(), Request(ema=0.1))


def test_what_needs_noise_is_refused_for_a_process_without():
    with pytest.raises(UsageError, match=r"cold adds no noise, and an edit needs it\. Train"):
        refuse_without_noise([config("process.use=cold")], "an edit", "Train another.", registry())
    refuse_without_noise([config()], "an edit", "Train another.", registry())
