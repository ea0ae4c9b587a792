"""The verdict names what is wrong, and nothing where nothing is."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from difftool.description import Description
from difftool.engine.evaluate import compared_features
from difftool.engine.folder import RunFolder
from difftool.metric import Features
from difftool.metrics.agreement import Agreement
from difftool.metrics.coverage import Coverage
from difftool.metrics.frechet import Frechet
from difftool.metrics.memorisation import Memorisation
from difftool.metrics.options import CoverageOptions, MemorisationOptions
from difftool.options import NoOptions
from difftool.verdict import Diagnosis, TrainingFacts, in_order, of_samples, of_training
from difftool.verdict.run import facts_of, training_verdict
from difftool.verdict.training import trend

DATA = Description((1,), "float32", 1)
METRICS = {
    "frechet": Frechet(NoOptions(), DATA),
    "coverage": Coverage(CoverageOptions(), DATA),
    "memorisation": Memorisation(MemorisationOptions(), DATA),
    "agreement": Agreement(NoOptions(), DATA),
}
RNG = np.random.default_rng(0)
KNOWN = RNG.normal(size=(1000, 6))


def kinds(samples: np.ndarray, right: float = 0.9, **info) -> set[str]:
    """What is said of samples, beside 1000 examples of the data."""

    def features(x, numbers, right):
        asked = np.zeros(len(x), np.int64)
        guess = np.where(np.arange(len(x))[:, None] % 20 < 20 * right, [0.9, 0.1], [0.1, 0.9])
        return Features(x, {"class": guess}, {"class": asked}, numbers)

    of_samples_ = features(samples, np.full(len(samples), -1), right)
    of_data = features(KNOWN, np.arange(len(KNOWN)), 0.9)
    rows = [
        {
            "metric": one.metric,
            "name": name,
            "samples": one.samples[name],
            "samples_error": one.sample_errors.get(name),
            "data": one.data[name],
            "data_error": one.data_errors.get(name),
        }
        for one in compared_features(METRICS, of_samples_, of_data)
        for name in one.samples
    ]
    found = of_samples(rows, {"count": len(samples), "steps": 25, "guidance": 1.0, **info}, None)
    assert all(one.fact and (one.fix or one.level == "ok") for one in found)
    return {one.kind for one in found}


@pytest.mark.parametrize("seed", range(11, 15))
def test_of_a_perfect_model_nothing_is_said(seed):
    assert kinds(np.random.default_rng(seed).normal(size=(200, 6))) == {"alike"}


@pytest.mark.parametrize(
    ("samples", "kind"),
    [
        (KNOWN[:200] + 0.02 * RNG.normal(size=(200, 6)), "memorised"),
        (np.concatenate([KNOWN[:60], RNG.normal(size=(140, 6))]), "memorised"),
        (RNG.normal(size=(200, 6)) * 2, "far"),
        (RNG.normal(size=(200, 6)) + 1, "far"),
        (RNG.normal(size=(200, 6)) * 0.4, "uniform"),
    ],
    ids=["copies", "some copies", "noise", "shifted", "one mode"],
)
def test_planted_faults_are_named(samples, kind):
    assert kind in kinds(samples)


def test_samples_that_are_not_what_was_asked_for():
    assert "disobedient" in kinds(np.random.default_rng(1).normal(size=(200, 6)), right=0.5)


def run(losses, *, steps=2000, **changed) -> TrainingFacts:
    rows = [{"step": (i + 1) * steps // len(losses), "loss": loss} for i, loss in enumerate(losses)]
    return TrainingFacts("difftool resume runs/a", rows, 1000, 64, **changed)


@pytest.mark.parametrize(("student", "advice"), [(False, "try --steps 8"), (True, "--evaluations")])
def test_a_student_is_not_told_to_take_steps_that_it_did_not_learn(student, advice):
    row = {"metric": "frechet", "name": "relative", "samples": 0.5, "data": 0.0}
    row |= {"samples_error": 0.01, "data_error": 0.01}
    rows = [row, {**row, "name": "distance"}]
    info = {"count": 200, "steps": 2, "guidance": 1.0}
    (far,) = of_samples(rows, info, TrainingFacts("", student=student))
    assert advice in far.fix


def said(facts: TrainingFacts) -> dict[str, str]:
    return {one.kind: one.text for one in of_training(facts)}


X = np.arange(1, 101)
NOISE = np.random.default_rng(0).normal(0, 0.005, 100)


def test_the_loss_of_a_model_that_was_trained_before_need_not_fall():
    tuned = run(1.2 + NOISE, lr=1e-3, optimizer="adamw", trained_before=True)
    assert set(said(tuned)) == {"trained"}
    rising = run([*np.linspace(1, 0.2, 60), *np.linspace(0.2, 0.9, 40)], lr=1e-3, optimizer="adamw")
    assert "diverged" in said(replace(rising, trained_before=True))
    assert said(replace(rising, trained_before=True, student=True)) == {}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (run(1.0 / X**0.3 + 0.1 * NOISE), "undertrained"),
        (run(0.5 + np.exp(-X / 5) + NOISE), "trained"),
        (run([*np.linspace(1, 0.2, 60), *np.linspace(0.2, 0.9, 40)]), "diverged"),
        (run([1.0, 0.5, math.nan, math.nan]), "not finite"),
        (run([1.0, 0.5]), "too short"),
        (run(0.5 + NOISE, halflives=(100_000.0,)), "average too long"),
        (run(0.5 + NOISE, halflives=(100.0,)), "average too short"),
        (run(1.2 + NOISE, lr=0.5, optimizer="adamw"), "learning rate too high"),
        (run(1.2 - 0.008 * X + NOISE, lr=0.5, optimizer="muon"), "learning rate too high"),
        (run(1.2 - 1e-3 * X + NOISE, lr=1e-6, optimizer="adamw"), "learning rate too low"),
        (run(1.2 + NOISE, lr=1e-3, optimizer="adamw"), "learns nothing"),
        (run([], failure="The loss became nan at step 7."), "not finite"),
    ],
    ids=[
        "falling",
        "done",
        "rising",
        "nan",
        "short",
        "average",
        "no average",
        "fast",
        "absurd",
        "slow",
        "stuck",
        "failed",
    ],
)
def test_losses_and_settings_say_what_is_wrong(facts, kind):
    assert kind in said(facts)


def test_what_has_been_measured_is_in_the_words():
    """Of a power law the fall with twice the steps is known."""
    text = said(run(1.0 / X**0.3))["undertrained"]
    expected = 1 - 0.5**0.3  # of the loss at the end
    assert float(text.split("about ")[1].split("%")[0]) / 100 == pytest.approx(expected, abs=0.04)
    assert "difftool resume runs/a --steps 4000" in text


def test_sound_runs_have_no_warning():
    levels = [one.level for one in of_training(run(0.5 + np.exp(-X / 5) + NOISE, rampup=0.05))]
    assert levels == ["ok"]
    assert of_training(TrainingFacts("")) == []


def test_where_numbers_stopped_being_finite_is_read_from_the_log(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "config.toml").write_text("[train]\nbatch = 8\n")
    (tmp_path / "description.json").write_text(json.dumps(DATA.to_json()))
    folder.log("began: difftool train")
    folder.log("Traceback:\ndifftool.errors.NonFiniteLossError: The loss became nan at step 7, and")
    assert facts_of(folder).failure == "The loss became nan at step 7."
    assert [one.kind for one in training_verdict(tmp_path)] == ["not finite"]
    folder.log("resumed: difftool resume")
    assert facts_of(folder).failure == "", "what was before the run went on is over"


def test_a_trend_has_the_error_that_it_has():
    rng = np.random.default_rng(0)
    x = np.linspace(0, 1, 40)
    found = np.array(
        [trend(x.tolist(), (2 * x + rng.normal(0, 1, 40)).tolist()) for _ in range(300)]
    )
    assert found[:, 0].mean() == pytest.approx(2, abs=0.2)
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)


def test_the_worst_comes_first():
    levels = ("ok", "warning", "note", "error")
    found = in_order(Diagnosis(level, level, "fact") for level in levels)
    assert [one.level for one in found] == ["error", "warning", "note", "ok"]
