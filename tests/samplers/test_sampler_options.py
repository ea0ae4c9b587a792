"""Every knob of a sampler is an option of the same name and default, and the other way round."""

from __future__ import annotations

import inspect

import pytest

from difftool.plugin.registry import Registry

REGISTRY = Registry.load_all()


@pytest.mark.parametrize("spec", REGISTRY.specs("sampler"), ids=lambda spec: spec.name)
def test_options_are_the_keyword_arguments(spec):
    parameters = list(inspect.signature(REGISTRY.load(spec)).parameters.values())
    assert [p.name for p in parameters[:4]] == ["denoise", "x", "sigmas", "noise"]
    assert {p.name: p.default for p in parameters[4:]} == REGISTRY.options(spec)().model_dump()
