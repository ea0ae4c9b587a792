"""What is said of stages that do not follow one another, before anything is trained or loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest
from small import SETS, registry

from difftool import Column, Description, LabelColumn, NumberColumn, UsageError
from difftool.config import gather, resolve
from difftool.workflows.compatible import DescribedStage, refuse_strangers

DIGITS = LabelColumn("digit", names=("0", "1", "2"), counts=(1, 1, 1))
SIZES = NumberColumn("digit", low=0.0, high=2.0, mean=1.0)
BRIDGE = ['bridge.use="resample"', "bridge.factors=[1,2,2]"]


def met(name: str, side: int, condition: Column, sets: list[str] | None = None) -> DescribedStage:
    config = resolve(
        "image", gather(registry(), "image", sets=[*SETS, *(sets or [])], project=None), registry()
    )
    return DescribedStage(
        name, config, Description((1, side, side), "uint8", 10, {condition.name: condition})
    )


def test_stages_that_know_the_same_conditions_fit():
    refuse_strangers([met("base", 4, DIGITS), met("x2", 8, DIGITS, BRIDGE)], registry())
    refuse_strangers(
        [met("base", 4, DIGITS), met("x2", 8, replace(SIZES, name="size"), BRIDGE)], registry()
    )


@pytest.mark.parametrize(
    ("earlier", "later", "said"),
    [
        (
            DIGITS,
            replace(DIGITS, names=("0", "2"), counts=(1, 1)),
            "it does not know the digit 1. Train both on the same labels",
        ),
        (DIGITS, SIZES, "digit is a number in it and a label in the earlier stage"),
        (SIZES, DIGITS, "digit is a label in it and a number in the earlier stage"),
    ],
)
def test_a_condition_of_one_name_is_one_thing(earlier, later, said):
    with pytest.raises(UsageError, match=rf"x2 after base: {said}"):
        refuse_strangers([met("base", 4, earlier), met("x2", 8, later, BRIDGE)], registry())
