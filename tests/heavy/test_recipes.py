"""Every recipe for minutes on a CPU, planned on the built-in set of its modality: a few steps are taken and measured."""

from __future__ import annotations

import json

import pytest
from small import call

from difftool.plugin.registry import Registry

pytestmark = pytest.mark.heavy

TINY = [
    f"{spec.modality}/{spec.name}"
    for spec in Registry.load_all().specs("recipe")
    if spec.name.endswith("tiny")
]


@pytest.mark.parametrize("recipe", TINY)
def test_a_recipe_trains_and_all_of_its_costs_are_told(recipe, capsys):
    assert call("train", "--recipe", recipe, "--batch", "4", "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    for what in ("parameters", "flops_per_step", "memory_needed_bytes", "seconds_per_step"):
        assert plan[what] > 0, what
