"""The contract of a check."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.inspect import Look
from ..metric import Features
from ..modality import Item
from ..verdict.case import MEASUREMENTS, Case, Drawn, Levels, Noise, Reaction
from ..verdict.diagnosis import LEVELS, Diagnosis
from ..verdict.training import TrainingFacts
from .parts import load, named, needs_no_torch

COUNT = 60


def check_contract(
    name: str,
    faulty: Case | None = None,
    good: Case | None = None,
    *,
    options: dict[str, Any] | None = None,
) -> type:
    """Tests that check a check against its contract.

    Args:
        faulty: a case with the fault; None for none.
        good: a case without it, which has everything that the check needs; None for a made one of
            a good run on normally distributed numbers.
    """

    def built() -> Any:
        target, settings = load("check", name, **(options or {}))
        return target(settings)

    def said(case: Case) -> list[Diagnosis]:
        return list(built().look(case))

    class CheckContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help."""
            assert needs_no_torch("check", name)

        def test_it_needs_what_there_can_be(self) -> None:
            assert set(built().needs) <= set(MEASUREMENTS)

        def test_of_a_case_without_measurements_it_says_what_it_lacks(self) -> None:
            check = built()
            assert check.lacks(Case()) == list(check.needs)
            assert check.needs, "what needs nothing would judge nothing"

        def test_of_a_good_case_it_says_nothing_grave(self) -> None:
            case = good or good_case()
            assert built().lacks(case) == []
            assert [one for one in said(case) if one.level in ("error", "warning")] == []

        def test_a_fault_is_named_with_a_figure_and_a_way_out(self) -> None:
            if faulty is None:
                return
            found = said(faulty)
            assert found
            for one in found:
                assert one.level in LEVELS
                assert one.kind
                assert one.fact
                assert one.fix or one.command
                assert 0 <= one.weight <= 1

        def test_the_same_case_gives_the_same_words(self) -> None:
            case = faulty or good or good_case()
            assert said(case) == said(case)

    return named(CheckContract, name)


def good_case() -> Case:
    """Everything that was measured of a good run on sixty normally distributed examples."""
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(COUNT, 8))
    asked = np.arange(COUNT) % 2
    guess = np.where(asked[:, None] == np.arange(2), 0.95, 0.05)
    losses = 0.5 + np.exp(-np.arange(100) / 10) + rng.normal(0, 0.005, 100)
    sigmas = np.geomspace(0.01, 10, 10)
    level = np.linspace(0.2, 0.8, 10)
    return Case(
        modality="numbers",
        source="data",
        total=1000,
        skipped=[],
        examples=list(vectors.astype(np.float32)),
        columns=[{"class": "ab"[i]} for i in asked],
        seen=vectors,
        spreads=vectors.std(1),
        looks=[
            Look(item=Item("x"), shape=(8,), digest=bytes([i]))  # type: ignore[arg-type]
            for i in range(COUNT)
        ],
        features=Features(vectors, {"class": guess}, {"class": asked}, np.arange(COUNT)),
        quality={"views": 0.9, "class": 1.0},
        training=TrainingFacts(
            "difftool resume runs/a",
            [
                {"step": 20 * (i + 1), "loss": loss, "lr": 1e-3, "examples_per_second": 100.0}
                for i, loss in enumerate(losses)
            ],
            1000,
            64,
            1e-3,
            (20_000.0,),
            0.05,
        ),
        parameters=1000,
        levels=Levels(
            sigmas=sigmas,
            held=level,
            trained=level,
            difference_error=np.full(10, 0.01),
            live=level,
        ),
        noise=Noise(
            spread=0.5,
            apart=10.0,
            strongest=5.0,
            lowest=0.002,
            highest=80.0,
            visited=np.geomspace(0.002, 80, 25),
            trained=np.sort(np.exp(rng.normal(-0.4, 1.5, 4000))),
        ),
        reactions={"class": Reaction(gain=0.1, error=0.01, change=0.5)},
        drawn=Drawn(rows=[], info={"count": 128, "steps": 25, "guidance": 1.0}, unsettled=0.05),
        loading=10_000.0,
    )
