"""The contract of a representation."""

from __future__ import annotations

from typing import Any

import torch

from ..batch import Batch
from ..description import Description
from ..rng import Stream
from .parts import load


def representation_contract(name: str, raw: torch.Tensor, *, tolerance: float = 0.0, options: dict[str, Any] | None = None) -> type:
    """Tests that a representation of this name keeps what every representation promises.

    Args:
        raw: ``[b, ...]``, examples in raw units and dtype.
        tolerance: largest error of a round trip, in raw units.
    """

    def built():
        target, settings = load("representation", name, **(options or {}))
        description = Description(tuple(raw.shape[1:]), str(raw.dtype).removeprefix("torch."), len(raw))
        return target(settings, description)

    class RepresentationContract:
        def test_round_trip(self):
            back = built().decode(built().encode(Batch(raw))).x
            assert back.dtype == raw.dtype
            assert back.shape == raw.shape
            assert (back.double() - raw.double()).abs().max() <= tolerance

        def test_encoded_examples_are_float32_of_order_one_and_of_the_stated_shape(self):
            representation = built()
            x = representation.encode(Batch(raw)).x
            assert x.dtype == torch.float32
            assert torch.isfinite(x).all()
            assert 0.05 < x.square().mean().sqrt() < 5
            assert all(stated in (None, found) for stated, found in zip(representation.shape, x.shape[1:], strict=True))

        def test_decoding_stays_in_range(self):
            x = built().encode(Batch(raw)).x
            wild = built().decode(Batch(x * 50)).x
            assert wild.dtype == raw.dtype

        def test_conditions_and_mask_pass_through(self):
            cond = {"class": torch.arange(len(raw))}
            assert torch.equal(built().encode(Batch(raw, cond)).cond["class"], cond["class"])

        def test_the_space_projects_and_counts_its_degrees_of_freedom(self):
            representation = built()
            x = representation.encode(Batch(raw)).x
            space, many = representation.space, (64, *x.shape[1:])
            noise = space.noise(many, Stream(0, "contract"))
            torch.testing.assert_close(space.project(noise), noise)
            assert abs(space.mean_square(noise).mean() - 1) < 0.05

    RepresentationContract.__name__ = RepresentationContract.__qualname__ = f"RepresentationContract_{name}"
    return RepresentationContract
