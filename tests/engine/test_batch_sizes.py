"""What of a sample depends on how many are made at once: the last bits of its computation, and nothing of them one by one."""

from __future__ import annotations

import numpy as np
import pytest
from golden.known import HERE
from small import registry

from difftool.assemble import load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest

NEAR = {"image": 1, "waveform": 2, "molecule": 1e-4}
"""How far raw values are apart at most: steps of their type, or angstrom."""


@pytest.fixture(params=NEAR)
def made(request):
    """``made(start, n, batch)``: samples of a model of one kind of data, and how near they should be."""
    path = HERE / f"{request.param}.safetensors"
    stage = load_stage(path, registry(), device="cpu", precision="fp32")

    def drawn(start, n, batch):
        asked = SampleRequest(n=n, start=start, steps=4, batch=batch, seed=5)
        return [one.example.astype(np.float64) for one in generate(stage, asked)]

    return drawn, NEAR[request.param]


def test_one_by_one_a_sample_is_the_same_to_the_byte_in_any_company(made):
    drawn, _ = made
    together = drawn(0, 5, 1)
    for start in (1, 4):
        (alone,) = drawn(start, 1, 1)
        assert np.array_equal(alone, together[start])


@pytest.mark.parametrize("batch", [2, 3, 5])
def test_at_other_batch_sizes_it_is_the_same_but_for_the_last_bits(made, batch):
    drawn, near = made
    for one, other in zip(drawn(0, 5, 1), drawn(0, 5, batch), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=near)
