"""The contract of a representation."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import torch

from ..batch import Batch
from ..description import Description
from ..rng import Stream
from .parts import load, named


def representation_contract(
    name: str, raw: torch.Tensor, *, tolerance: float = 0.0, options: dict[str, Any] | None = None, extra: dict[str, Any] | None = None
) -> type:
    """Tests that a representation of this name keeps what every representation promises.

    Args:
        raw: ``[b, ...]``, examples in raw units and dtype.
        tolerance: largest error of a round trip, in raw units; infinite where a round trip is not meant to keep every number.
        extra: what the modality would say of the data.
    """

    def built():
        target, settings = load("representation", name, **(options or {}))
        description = Description(tuple(raw.shape[1:]), str(raw.dtype).removeprefix("torch."), len(raw), extra=extra or {})
        measured = target(settings, description).measure([Batch(raw)])
        return target(settings, replace(description, measured=json.loads(json.dumps(measured))))

    class RepresentationContract:
        def test_round_trip(self):
            back = _cut(built().decode(built().encode(Batch(raw))).x)
            assert back.dtype == raw.dtype
            assert (back.double() - raw.double()).abs().max() <= tolerance

        def test_encoded_examples_are_float32_of_order_one_and_of_the_stated_shape(self):
            representation = built()
            x = representation.encode(Batch(raw)).x
            assert x.dtype == torch.float32
            assert torch.isfinite(x).all()
            assert 0.05 < x.square().mean().sqrt() < 5
            assert all(stated in (None, found) for stated, found in zip(representation.shape, x.shape[1:], strict=True))

        def test_decoding_takes_what_no_encoder_gave(self):
            x = built().encode(Batch(raw)).x
            for wild in (x * 50, x * -50, torch.zeros_like(x)):
                back = _cut(built().decode(Batch(wild)).x)
                assert back.dtype == raw.dtype
                assert back.double().isfinite().all()

        def test_examples_do_not_see_each_other(self):
            together, alone = built().encode(Batch(raw)).x, built().encode(Batch(raw[:1])).x
            torch.testing.assert_close(together[:1], alone)
            torch.testing.assert_close(built().decode(Batch(together)).x[:1], built().decode(Batch(alone)).x)

        def test_raw_examples_are_left_alone(self):
            before = raw.clone()
            built().encode(Batch(raw))
            assert torch.equal(raw, before)

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

        def test_what_is_given_of_an_example_is_kept_in_the_space(self):
            """As far as the space tells one place from another: the same if it is kept again, and the example where all is right already."""
            representation = built()
            space = representation.space
            x0 = space.project(representation.encode(Batch(raw)).x)
            estimate = space.noise(x0.shape, Stream(0, "contract"))
            known = (torch.arange(x0.shape[1]) == 0).reshape(1, -1, *(1,) * (x0.ndim - 2))
            kept = space.keep(estimate, x0, known)
            torch.testing.assert_close(space.project(kept), kept)
            torch.testing.assert_close(space.keep(kept, x0, known), kept)
            torch.testing.assert_close(space.keep(x0, x0, known), x0)

    def _cut(x: torch.Tensor) -> torch.Tensor:
        """As the engine cuts what was decoded: to the size that was asked for, which it must have."""
        assert all(n >= asked for n, asked in zip(x.shape, raw.shape, strict=True))
        return x[tuple(slice(n) for n in raw.shape)]

    return named(RepresentationContract, name)
