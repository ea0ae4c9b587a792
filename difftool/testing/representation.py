"""The contract of a representation."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from ..assemble.build import frozen_weights
from ..batch import Batch
from ..context import Context, Opener
from ..description import Description
from ..engine.weights import MODEL, load_weights, save_weights
from ..options import NoOptions
from ..representation import Representation, weights_of
from ..rng import Stream
from .parts import CPU, half_mask, load, named, opens_nothing


def representation_contract(
    name: str | type[Representation],
    raw: torch.Tensor,
    *,
    tolerance: float = 0.0,
    options: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
    opened: Opener | None = None,
) -> type:
    """Tests that check a representation against its contract.

    Args:
        name: its registered name, or its class.
        raw: ``[b, ...]``, examples in raw units and dtype.
        tolerance: largest error of a round trip, in raw units; infinite if a round trip may lose
            information.
        extra: ``Description.extra`` of the data.
        opened: stands for the context's ``open``; needed if the part opens another run.
    """

    target: type[Representation]
    target, settings = _target(name, options or {})
    described = Description(
        tuple(raw.shape[1:]),
        str(raw.dtype).removeprefix("torch."),
        len(raw),
        extra=extra or {},
    )

    def built(seed: int = 0) -> Representation:
        """Build it as a run does, always from the same options, context and random state."""

        def build(description: Description) -> Representation:
            torch.manual_seed(seed)
            made = target.build(settings, Context(description, CPU, opened or opens_nothing))
            if isinstance(made, nn.Module):
                made.eval().requires_grad_(False)
            return made

        measured = build(described).measure([Batch(raw)])
        return build(replace(described, measured=json.loads(json.dumps(measured))))

    def module(seed: int = 0) -> Any:
        """The representation, if it has weights; otherwise the test is skipped."""
        found = built(seed)
        if not isinstance(found, nn.Module):
            pytest.skip("it holds no weights")
        return found

    class RepresentationContract:
        def test_round_trip(self) -> None:
            back = _cut(built().decode(built().encode(Batch(raw))).x)
            assert back.dtype == raw.dtype
            assert (back.double() - raw.double()).abs().max() <= tolerance

        def test_encoded_examples_are_float32_of_order_one_and_of_the_stated_shape(self) -> None:
            representation = built()
            x = representation.encode(Batch(raw)).x
            assert x.dtype == torch.float32
            assert torch.isfinite(x).all()
            assert 0.05 < x.square().mean().sqrt() < 5
            assert all(
                stated in (None, found)
                for stated, found in zip(representation.shape, x.shape[1:], strict=True)
            )

        def test_decoding_takes_what_no_encoder_gave(self) -> None:
            x = built().encode(Batch(raw)).x
            for wild in (x * 50, x * -50, torch.zeros_like(x)):
                back = _cut(built().decode(Batch(wild)).x)
                assert back.dtype == raw.dtype
                assert back.double().isfinite().all()

        def test_examples_do_not_see_each_other(self) -> None:
            representation, last = built(), len(raw) - 1
            together = representation.encode(Batch(raw)).x
            for i in (0, last):
                alone = representation.encode(Batch(raw[i : i + 1])).x
                torch.testing.assert_close(together[i : i + 1], alone)
                for factor in (1, 4):  # also far from what an encoder gives
                    torch.testing.assert_close(
                        representation.decode(Batch(factor * together)).x[i : i + 1],
                        representation.decode(Batch(factor * alone)).x,
                    )

        def test_raw_examples_are_left_alone(self) -> None:
            before = raw.clone()
            built().encode(Batch(raw))
            assert torch.equal(raw, before)

        def test_conditions_and_mask_pass_through(self) -> None:
            cond = {"class": torch.arange(len(raw))}
            representation = built()
            mask = half_mask(raw, representation.shape)
            encoded = representation.encode(Batch(raw, cond, mask))
            assert torch.equal(encoded.cond["class"], cond["class"])
            assert encoded.mask is not None, "encode drops the mask"
            assert encoded.mask.dtype == torch.bool
            encoded.mask.expand_as(encoded.x)  # raises if it does not broadcast
            assert not encoded.mask.all(), "encode says that padding is real"

        def test_encoding_is_deterministic(self) -> None:
            representation = built()
            one = representation.encode(Batch(raw)).x
            torch.manual_seed(1)
            assert torch.equal(one, representation.encode(Batch(raw)).x)

        def test_values_in_padding_reach_no_real_entry(self) -> None:
            representation = built()
            mask = half_mask(raw, representation.shape)
            one, other = (
                representation.encode(Batch(torch.where(mask, raw, given), mask=mask))
                for given in (torch.zeros_like(raw), raw.flip(0))
            )
            assert one.mask is not None
            torch.testing.assert_close(one.x * one.mask, other.x * one.mask)

        def test_the_space_projects_and_counts_its_degrees_of_freedom(self) -> None:
            representation = built()
            x = representation.encode(Batch(raw)).x
            space, many = representation.space, (64, *x.shape[1:])
            noise = space.noise(many, Stream(0, "contract"))
            torch.testing.assert_close(space.project(noise), noise)
            assert abs(space.mean_square(noise).mean() - 1) < 0.05

        def test_what_is_given_of_an_example_is_kept_in_the_space(self) -> None:
            """Keeping is idempotent, up to the space's symmetry, and keeps a correct example."""
            representation = built()
            space = representation.space
            x0 = space.project(representation.encode(Batch(raw)).x)
            estimate = space.noise(x0.shape, Stream(0, "contract"))
            known = (torch.arange(x0.shape[1]) == 0).reshape(1, -1, *(1,) * (x0.ndim - 2))
            kept = space.keep(estimate, x0, known)
            torch.testing.assert_close(space.project(kept), kept)
            torch.testing.assert_close(space.keep(kept, x0, known), kept)
            torch.testing.assert_close(space.keep(x0, x0, known), x0)

        def test_training_examples_are_drawn_from_what_is_prepared(self) -> None:
            """A draw depends only on the prepared examples and the stream."""
            representation = built()
            prepared = representation.prepare(Batch(raw))
            one, again = (representation.draw(prepared, Stream(0, "contract")).x for _ in range(2))
            assert torch.equal(one, again)
            assert one.shape == representation.encode(Batch(raw)).x.shape

        def test_two_builds_with_the_saved_weights_encode_and_decode_alike(self) -> None:
            """All of its state is in its ``state_dict``, which the model file stores."""
            one, other = module(), module(seed=1)
            other.load_state_dict(one.state_dict())
            x = one.encode(Batch(raw)).x
            assert torch.equal(x, other.encode(Batch(raw)).x)
            assert torch.equal(one.decode(Batch(x)).x, other.decode(Batch(x)).x)

        def test_its_weights_travel_in_a_model_file(self, tmp_path: Path) -> None:
            one, other = module(), module(seed=1)
            path = tmp_path / "model.safetensors"
            save_weights(path, MODEL, weights_of(one), {"config": {}, "description": {}})
            other.load_state_dict(frozen_weights(load_weights(path, MODEL)[0]))
            assert torch.equal(one.encode(Batch(raw)).x, other.encode(Batch(raw)).x)

        def test_on_another_device_every_tensor_is_there(self) -> None:
            """The meta device stands for any other: torch refuses a tensor that stays behind."""
            moved = module().to("meta")
            assert moved.prepare(Batch(raw.to("meta"))).x.is_meta
            x = moved.encode(Batch(raw.to("meta"))).x
            assert x.is_meta
            assert moved.decode(Batch(x)).x.is_meta

        def test_gradients_never_reach_its_weights(self) -> None:
            representation = module()
            x = representation.encode(Batch(raw)).x.requires_grad_()
            decoded = representation.decode(Batch(x)).x
            if decoded.requires_grad:
                decoded.sum().backward()
            assert not any(p.requires_grad for p in representation.parameters())
            assert all(p.grad is None for p in representation.parameters())

    def _cut(x: torch.Tensor) -> torch.Tensor:
        """Cut to the size of the raw examples, as the engine does."""
        assert all(n >= asked for n, asked in zip(x.shape, raw.shape, strict=True))
        return x[tuple(slice(n) for n in raw.shape)]

    return named(RepresentationContract, name if isinstance(name, str) else name.__name__)


def _target(
    name: str | type[Representation], options: dict[str, Any]
) -> tuple[type[Representation], Any]:
    if isinstance(name, str):
        return load("representation", name, **options)
    return name, options.get("options", NoOptions())
