"""The contract of a metric: kept by one that counts pictures' brightness, broken by those that break it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from fakes import fake_registry, hooks, plugin
from measures import BRIGHTNESS, Brightness

from difftool import Metric, Spec
from difftool.testing import metric_contract, parts

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 255, (3, 4, n), dtype=np.uint8) for n in range(4, 9)]
DATA = [RNG.integers(0, 128, (3, 4, 6), dtype=np.uint8) for _ in range(4)]


class Greedy(Brightness):
    """Sees the first example only, gives no number without data, and writes to what it is shown."""

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        examples[0][0] += 1
        return (
            {"first": float(examples[0].mean()), "mean": 1.0 if data else 2.0}
            if len(examples) > 1
            else {}
        )


class Endless(Metric):
    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        return {"ratio": float("inf")}


GREEDY = Spec("greedy", "breaks what it can", f"{__name__}:Greedy")
ENDLESS = Spec("endless", "no number", f"{__name__}:Endless")


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    registry = fake_registry()
    registry.add(plugin("measures"), lambda: hooks(metrics=[BRIGHTNESS, GREEDY, ENDLESS]))
    classes = {"greedy": Greedy, "endless": Endless}
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda spec: classes.get(spec.name) or load(spec))
    monkeypatch.setattr(parts, "registry", lambda: registry)
    monkeypatch.setenv(
        "PYTHONPATH", str(Path(__file__).parents[1])
    )  # for the process that tries the options


TestBrightness = metric_contract("brightness", PICTURES, DATA)
TestScaled = metric_contract("brightness", PICTURES, DATA, options={"scale": 2.0})


@pytest.mark.parametrize(
    "broken",
    [
        "test_the_order_of_examples_says_nothing",
        "test_without_data_what_needs_them_is_left_out_and_the_rest_is_the_same",
        "test_one_example_has_the_same_names",
    ],
)
def test_what_is_not_kept_is_found(broken):
    pictures = [picture.copy() for picture in PICTURES]
    with pytest.raises(AssertionError):
        getattr(metric_contract("greedy", pictures, DATA)(), broken)()


def test_writing_to_examples_is_found():
    with pytest.raises(ValueError, match="read-only"):
        metric_contract("greedy", PICTURES, DATA)().test_examples_and_data_are_only_read()


def test_infinity_is_no_number():
    with pytest.raises(AssertionError):
        metric_contract("endless", PICTURES, DATA)().test_it_gives_numbers_by_name()
