"""Each built-in check names the fault that it is for, and nothing in a sound case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from difftool.checks.copies import near_pairs
from difftool.checks.labels import contradicted
from difftool.judge.judge import is_held_out
from difftool.metric import Features
from difftool.plugin.registry import Registry
from difftool.testing import check_contract
from difftool.testing.check import good_case
from difftool.verdict import Case, TrainingFacts
from difftool.verdict.case import Drawn, Reaction
from difftool.workflows.doctor import asked

RNG = np.random.default_rng(0)
SOUND = good_case()
CLASSES = [{"class": one} for one in "ab" * 30]


def with_copies(share: float) -> np.ndarray:
    seen = RNG.normal(size=(60, 8))
    copied = int(60 * share)
    seen[:copied] = seen[-copied:] + 1e-3 * RNG.normal(size=(copied, 8))
    return seen


def features(right: float) -> Features:
    """Guesses of labels that agree with what was asked for this share of 400 examples."""
    asked_, n = np.arange(400) % 4, 400
    true = np.where(
        np.arange(n) % 20 < 20 * right, asked_, (asked_ + 1 + np.arange(n) // 20 % 3) % 4
    )
    guess = np.where(true[:, None] == np.arange(4), 0.94, 0.02)
    return Features(RNG.normal(size=(n, 8)), {"class": guess}, {"class": asked_}, np.arange(n))


def levels(**changed) -> Case:
    assert SOUND.levels is not None
    return replace(SOUND, levels=replace(SOUND.levels, **changed))


def noise(**changed) -> Case:
    assert SOUND.noise is not None
    return replace(SOUND, noise=replace(SOUND.noise, **changed))


def drawn(unsettled: float = 0.05, **info) -> Case:
    made = {"count": 128, "steps": 25, "guidance": 1.0, **info}
    return replace(SOUND, drawn=Drawn(rows=[], info=made, unsettled=unsettled))


FAULTS = {
    "copies": (replace(SOUND, seen=with_copies(0.3)), "copies"),
    "copies across classes": (
        replace(SOUND, seen=np.repeat(RNG.normal(size=(30, 8)), 2, 0), columns=CLASSES),
        "copies across classes",
    ),
    "random labels": (replace(SOUND, features=features(0.25)), "random labels"),
    "wrong labels": (replace(SOUND, features=features(0.85)), "wrong labels"),
    "too little data": (replace(SOUND, total=80), "too little data"),
    "starved class": (
        replace(SOUND, columns=[{"class": "rare" if i < 2 else "ab"[i % 2]} for i in range(60)]),
        "starved class",
    ),
    "blank": (replace(SOUND, spreads=np.where(np.arange(60) < 20, 0.0, 1.0)), "blank"),
    "not numbers": (
        replace(SOUND, spreads=np.where(np.arange(60) < 2, np.nan, 1.0)),
        "not numbers",
    ),
    "overfitting": (levels(held=np.linspace(0.4, 0.9, 10)), "overfitting"),
    "average too long": (levels(live=np.linspace(0.1, 0.5, 10)), "average too long"),
    "noise too low": (noise(highest=2.0, visited=np.geomspace(0.002, 2, 25)), "noise too low"),
    "noise left": (noise(lowest=0.2, visited=np.geomspace(0.2, 80, 25)), "noise left"),
    "levels not trained": (
        noise(trained=np.sort(np.exp(RNG.normal(-4, 0.3, 4000)))),
        "levels not trained",
    ),
    "levels not needed": (
        noise(trained=np.sort(np.exp(RNG.normal(4, 1.5, 4000)))),
        "levels not needed",
    ),
    "dead condition": (
        replace(SOUND, reactions={"class": Reaction(gain=0.0, error=0.0, change=0.001)}),
        "dead condition",
    ),
    "useless condition": (
        replace(SOUND, reactions={"class": Reaction(gain=0.001, error=0.01, change=0.2)}),
        "useless condition",
    ),
    "too few steps": (drawn(unsettled=0.7, steps=3), "too few steps"),
    "guidance too strong": (drawn(guidance=9.0), "guidance too strong"),
    "unusable files": (replace(SOUND, skipped=["a.wav: empty"] * 90), "unusable files"),
    "slow loader": (replace(SOUND, loading=60.0), "slow loader"),
}


@pytest.fixture(scope="module")
def parts() -> Registry:
    return Registry.load_all()


@pytest.mark.parametrize(("case", "kind"), FAULTS.values(), ids=FAULTS)
def test_a_planted_fault_is_among_the_first_two(case, kind, parts):
    found = [one["kind"] for one in asked(case, parts)["findings"]]
    assert kind in found[:2]


def test_of_a_good_case_nothing_grave_is_said_and_everything_was_asked(parts):
    found = asked(SOUND, parts)
    assert [one for one in found["findings"] if one["level"] in ("error", "warning")] == []
    assert found["missing"] == []
    assert {"copies", "labels", "levels", "noise"} <= {one["check"] for one in found["checked"]}


def test_what_was_not_measured_is_listed_with_the_reason_and_never_called_fine(parts):
    bare = Case(modality="numbers", missing={"levels": "Nothing was held out."})
    found = asked(bare, parts)
    assert found["findings"] == found["checked"] == found["measured"] == []
    reasons = {one["check"]: one["reason"] for one in found["missing"]}
    assert reasons["levels"] == "Nothing was held out."
    assert "not measured" in reasons["copies"]


def test_what_is_not_learnt_yet_is_only_noted_of_a_run_that_has_just_begun(parts):
    dead = {"class": Reaction(gain=0.0, error=0.0, change=0.001)}
    assert SOUND.training is not None
    begun = replace(SOUND.training, count=10**9)
    for training, level in ((SOUND.training, "error"), (begun, "note")):
        found = asked(replace(SOUND, reactions=dead, training=training), parts)["findings"]
        assert next(one["level"] for one in found if one["kind"] == "dead condition") == level


CONTRACTS = {
    "copies": "copies",
    "labels": "random labels",
    "amount": "too little data",
    "blank": "blank",
    "levels": "overfitting",
    "noise": "noise too low",
    "conditions": "dead condition",
    "samples": "too few steps",
    "speed": "slow loader",
    "unusable": "unusable files",
}
for name, fault in CONTRACTS.items():
    globals()[f"Test{name.capitalize()}"] = check_contract(name, FAULTS[fault][0])
TestLoss = check_contract(
    "loss",
    Case(
        training=TrainingFacts(
            "difftool resume runs/a",
            [{"step": i + 1, "loss": 1 + abs(i - 50) / 50} for i in range(100)],
            1000,
            64,
        )
    ),
)


def test_pairs_are_near_and_named_once():
    seen = RNG.normal(size=(1200, 16))
    seen[700] = seen[3] + 1e-3
    assert near_pairs(seen).tolist() == [[3, 700]]


def test_wrong_labels_are_counted_and_hard_ones_are_not():
    """Of 20 % flipped labels about that many; of guesses that are merely unsure, none."""
    asked_ = RNG.integers(5, size=2000)
    flipped = RNG.random(2000) < 0.2
    true = np.where(flipped, (asked_ + RNG.integers(1, 5, 2000)) % 5, asked_)
    sure = np.where(true[:, None] == np.arange(5), 0.9, 0.025)
    assert contradicted(sure, asked_) == pytest.approx(0.2, abs=0.03)
    unsure = RNG.dirichlet(np.full(5, 20), 2000) + 0.15 * (asked_[:, None] == np.arange(5))
    assert contradicted(unsure / unsure.sum(1, keepdims=True), asked_) < 0.03


def test_a_weak_judge_that_errs_on_new_examples_alone_finds_no_wrong_labels(parts):
    """What it was taught it does not contradict, so the labels are consistent."""
    weak, known = features(0.85), features(1.0)
    new = is_held_out(weak.numbers)[:, None]
    guess = np.where(new, weak.guesses["class"], known.guesses["class"])
    case = replace(SOUND, features=replace(known, guesses={"class": guess}))
    assert "wrong labels" not in [one["kind"] for one in asked(case, parts)["findings"]]


def test_labels_that_are_hard_to_see_are_not_called_random(parts):
    """The judge learns some of what it is taught, which it could not if labels were random."""
    hard, known = features(0.25), features(0.5)
    new = is_held_out(hard.numbers)[:, None]
    guess = np.where(new, hard.guesses["class"], known.guesses["class"])
    case = replace(SOUND, features=replace(known, guesses={"class": guess}))
    found = {one["kind"]: one["level"] for one in asked(case, parts)["findings"]}
    assert found == {"unclear labels": "note"}
