"""A stage with experts: they are given what its own denoiser is given, where there is less noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import prepared, small_run, train

from difftool import UsageError
from difftool.engine import generate as generating
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.expert import Expert
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.stage import Stage

WISHES = {
    "n": 3,
    "steps": 5,
    "cond": {"class": ["left", "above"]},
    "guidance": ClassifierFree(GuidanceOptions(scale=2.0, low=0.1)),
}


def stirred(seed: int, *sets: str) -> Stage:
    """A model that says something: a fresh one's last layer is zero."""
    stage, _, _ = prepared(*small_run(sets=list(sets)))
    with torch.no_grad():
        for parameter in stage.denoiser.parameters():
            parameter.add_(
                0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
            )
    return stage


@pytest.fixture(scope="module")
def stage() -> Stage:
    return stirred(0)


def beside(stage: Stage, other: Stage, below: float) -> Stage:
    return replace(
        stage, experts=(*stage.experts, Expert(below, other.denoiser, other.process.density))
    )


def made(stage: Stage) -> np.ndarray:
    return np.stack([one.example for one in generate(stage, SampleRequest(**WISHES))])


def test_an_expert_that_is_the_model_itself_gives_the_very_same_samples(stage):
    assert np.array_equal(made(beside(beside(stage, stage, 0.5), stage, 5.0)), made(stage))


def test_an_expert_of_all_levels_is_the_model(stage):
    """Of another network and another row of the table as well: a denoiser brings its own."""
    other = stirred(1, 'process.use="flow"', 'schedule.use="karras"', "backbone.channels=16")
    assert np.array_equal(made(beside(stage, other, 1000.0)), made(other))
    assert not np.array_equal(made(beside(stage, other, 0.5)), made(stage))


def test_each_denoiser_is_asked_at_its_own_levels_and_as_it_is_when_samples_are_made(
    stage, monkeypatch
):
    other, seen = stirred(1), []

    def asked(name, denoiser):
        denoiser.train()
        remember = denoiser.remember

        def noted(x, sigma, *rest):
            seen.append((name, sigma.max().item(), denoiser.training))
            return remember(x, sigma, *rest)

        monkeypatch.setattr(denoiser, "remember", noted)

    stage = beside(stage, other, 0.5)
    handed = []
    monkeypatch.setattr(
        generating, "captured", lambda denoiser: handed.append(denoiser) or real(denoiser)
    )
    asked("own", stage.denoiser), asked("expert", other.denoiser)
    made(stage)
    assert handed == [stage.denoiser, other.denoiser]  # each records its own graphs
    assert {name for name, _, _ in seen} == {"own", "expert"}
    assert all(
        (sigma < 0.5) == (name == "expert") and not training for name, sigma, training in seen
    )


real = generating.captured


def test_levels_that_no_denoiser_knows_are_refused(stage):
    low = stirred(1, "density.high=0.5")
    with pytest.raises(UsageError, match=r"trained on noise below 0\.5 only.*Add models"):
        generate(low, SampleRequest(**WISHES))
    with pytest.raises(UsageError, match="the expert below 2"):
        generate(beside(stage, low, 2.0), SampleRequest(**WISHES))
    assert made(beside(stage, low, 0.5)).shape == (3, 3, 8, 8)


def test_training_on_a_range_draws_its_levels_and_makes_no_preview(tmp_path, monkeypatch):
    from difftool.denoiser import Denoiser

    seen, network = [], Denoiser.network

    def watched(self, x, sigma, *rest):
        seen.append(sigma)
        return network(self, x, sigma, *rest)

    monkeypatch.setattr(Denoiser, "network", watched)
    part = train(
        tmp_path / "part",
        *small_run(steps=2, sets=["density.low=0.1", "density.high=0.5", "train.preview=2"]),
    )
    levels = torch.cat(seen)
    assert levels.min() >= 0.1
    assert levels.max() <= 0.5
    assert (part / "model.safetensors").is_file()
    assert not list(part.glob("samples/preview-*"))
    whole = train(tmp_path / "whole", *small_run(steps=2, sets=["train.preview=2"]))
    assert list(whole.glob("samples/preview-*"))
