"""The contract of a bridge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from ..batch import Batch
from ..bridge import Bridge
from ..conditioners.columns import ChannelsColumn
from ..context import Context, Opener
from ..description import Description
from ..errors import UsageError
from ..representation import Representation
from ..rng import Stream
from .parts import CPU, half_mask, load, named, needs_no_torch, opens_nothing


def bridge_contract(
    name: str,
    raw: Tensor,
    representation: str,
    *,
    options: dict[str, Any] | None = None,
    extra: dict[str, Any] | None = None,
    earlier: dict[str, Any] | None = None,
    exact: bool = True,
    opened: Opener | None = None,
) -> type:
    """Tests that check a bridge against its contract.

    Args:
        raw: ``[b, ...]``, two or more different examples of the later stage, in raw units and
            dtype.
        representation: the name of the later stage's representation.
        options: settings of the bridge.
        extra: ``Description.extra`` of the later stage's data.
        exact: whether ``restore`` is the exact inverse of what ``encode`` does to the example;
            False if it makes a part of the example anew from what is shown.
        earlier: ``Description.extra`` of the earlier stage's data; None for the same as ``extra``.
        opened: stands for the context's ``open``; needed if the bridge opens another run.
    """
    data = Description(
        tuple(raw.shape[1:]), str(raw.dtype).removeprefix("torch."), len(raw), extra=extra or {}
    )

    def encoder() -> tuple[Description, Representation]:
        """The measured description of the data, and the representation built with it."""
        target, settings = load("representation", representation)
        description = replace(data, measured=target(settings, data).measure([Batch(raw)]))
        return description, target(settings, description)

    def built() -> Bridge:
        bridge, own = load("bridge", name, **(options or {}))
        description, known = encoder()
        context = Context(description, CPU, opened or opens_nothing, representation=known)
        return bridge.build(own, context)

    def made(low: Tensor) -> Description:
        """The description of an earlier stage's data."""
        return Description(
            tuple(low.shape[1:]),
            str(low.dtype).removeprefix("torch."),
            len(low),
            extra=earlier or extra or {},
        )

    def shown(low: Batch, of: Batch, level: float = 0.0, seed: int = 0) -> Batch:
        return built().encode(low, of, torch.full((len(of),), level), Stream(seed, "contract"))

    def tensors(batch: Batch) -> dict[str, Tensor]:
        """The conditioning tensors; of ``x``, only observed entries, up to the space's symmetry."""
        if batch.observed is None:
            return dict(batch.cond)
        x = encoder()[1].space.keep(torch.zeros_like(batch.x), batch.x, batch.observed, batch.mask)
        return {**batch.cond, "observed": batch.observed, "x": x}

    def same(one: Batch, other: Batch) -> bool:
        """Bit-identical, except ``x``, which the space may transform and transform back."""
        a, b = tensors(one), tensors(other)
        if a.keys() != b.keys() or any(a[key].shape != b[key].shape for key in a):
            return False
        return all(
            torch.allclose(a[key], b[key], rtol=1e-5, atol=1e-5)
            if key == "x"
            else torch.equal(a[key], b[key])
            for key in a
        )

    class BridgeContract:
        def test_its_options_need_no_torch(self) -> None:
            """difftool imports them to print help and to check a configuration."""
            assert needs_no_torch("bridge", name)

        def test_what_is_shown_is_what_it_announces(self) -> None:
            batch = shown(built().degrade(Batch(raw)), Batch(raw))
            announced = {c.name: c for c in built().conditions()}
            assert announced or batch.observed is not None
            assert announced.keys() <= batch.cond.keys()
            varies = encoder()[1].shape[0] is None  # point clouds: the first axis is the positions
            places = batch.x.shape[1:2] if varies else batch.x.shape[2:]
            for key, c in announced.items():
                value = batch.cond[key]
                assert value.float().isfinite().all()
                assert value.shape == (
                    (len(raw), c.width, *places) if isinstance(c, ChannelsColumn) else (len(raw),)
                )

        def test_degrading_is_deterministic_keeps_the_type_and_leaves_raw_alone(self) -> None:
            before = raw.clone()
            one, other = (built().degrade(Batch(raw)).x for _ in range(2))
            assert torch.equal(one, other)
            assert one.dtype == raw.dtype
            assert torch.equal(raw, before)

        def test_degraded_examples_do_not_see_each_other(self) -> None:
            torch.testing.assert_close(
                built().degrade(Batch(raw[:1])).x, built().degrade(Batch(raw)).x[:1]
            )

        def test_padding_stays_padding_and_reaches_no_real_entry(self) -> None:
            """Neither the degraded example nor what is shown of it depends on values in padding."""
            bridge, mask = built(), half_mask(raw, encoder()[1].shape)
            one, other = (
                bridge.degrade(Batch(torch.where(mask, raw, given), mask=mask))
                for given in (torch.zeros_like(raw), raw.flip(0))
            )
            assert one.mask is not None, "degrade drops the mask"
            assert not one.mask.all(), "degrade says that padding is real"
            torch.testing.assert_close(one.x * one.mask, other.x * one.mask)
            shows = [shown(low, Batch(torch.zeros_like(raw), mask=mask)) for low in (one, other)]
            for key, value in tensors(shows[0]).items():
                torch.testing.assert_close(
                    *(_at_real(t, shows[0]) for t in (value, tensors(shows[1])[key]))
                )

        def test_restoring_undoes_what_encoding_did_to_the_example(self) -> None:
            """What a sample is made of has the units of the representation again."""
            batch = shown(built().degrade(Batch(raw)), Batch(raw))
            if not exact:
                pytest.skip("it makes a part of the example anew")
            if batch.observed is None:
                torch.testing.assert_close(
                    built().restore(batch).x,
                    encoder()[1].encode(Batch(raw)).x,
                    atol=1e-4,
                    rtol=1e-4,
                )

        def test_enforcing_consistency_makes_a_sample_that_degrades_to_its_input(self) -> None:
            """Where the bridge can do so; it never makes a sample worse."""
            bridge, low = built(), built().degrade(Batch(raw))
            before, after = (
                (bridge.degrade(Batch(x)).x.double() - low.x.double()).abs().mean()
                for x in (raw.flip(0), bridge.enforce_consistency(Batch(raw.flip(0)), low).x)
            )
            assert after <= before
            same = bridge.enforce_consistency(Batch(raw), low).x
            rounding = 1e-4 if raw.is_floating_point() else 1.0
            torch.testing.assert_close(same.double(), raw.double(), atol=rounding, rtol=1e-4)

        def test_an_earlier_stage_that_makes_what_it_degrades_to_fits(self) -> None:
            bridge = built()
            assert bridge.check_compatible(made(bridge.degrade(Batch(raw)).x)) is None

        def test_it_says_the_shape_that_it_degrades_to_or_what_to_ask_for(self) -> None:
            try:
                shape = built().earlier_shape(raw.shape[1:])
            except UsageError:
                return  # more than the shape decides
            assert tuple(shape) == tuple(built().degrade(Batch(raw)).x.shape[1:])

        def test_an_earlier_stage_of_another_kind_does_not(self) -> None:
            bridge = built()
            right = made(bridge.degrade(Batch(raw)).x)
            for wrong in (
                replace(right, dtype="complex64"),
                replace(right, shape=(*right.shape, 3)),
            ):
                with pytest.raises(UsageError):
                    bridge.check_compatible(wrong)

        def test_what_is_shown_depends_on_the_low_example_alone(self) -> None:
            """When sampling, the raw batch is only a template."""
            low = built().degrade(Batch(raw))
            assert same(shown(low, Batch(raw)), shown(low, Batch(torch.zeros_like(raw))))
            assert not same(shown(low, Batch(raw)), shown(low.with_x(low.x.flip(0)), Batch(raw)))

        def test_shown_examples_do_not_see_each_other(self) -> None:
            low, batch = built().degrade(Batch(raw)), Batch(raw)
            together, alone = (
                tensors(shown(low, batch)),
                tensors(shown(low.part(0, 1), batch.part(0, 1))),
            )
            for key in alone:
                torch.testing.assert_close(together[key][:1], alone[key])

        def test_levels_are_between_none_and_the_highest(self) -> None:
            bridge = built()
            one, other = (bridge.draw_aug_levels(64, Stream(0, "contract")) for _ in range(2))
            assert torch.equal(one, other)
            assert one.shape == (64,)
            assert 0 <= one.min() <= one.max() <= bridge.max_aug_level

        def test_noise_is_as_much_as_its_level_says(self) -> None:
            low, highest = built().degrade(Batch(raw)), built().max_aug_level
            assert same(shown(low, Batch(raw), seed=1), shown(low, Batch(raw), seed=2))
            assert not highest or not same(
                shown(low, Batch(raw), highest, seed=1), shown(low, Batch(raw), highest, seed=2)
            )

        def test_a_template_takes_what_an_earlier_stage_made(self) -> None:
            bridge = built()
            for place, one in enumerate(bridge.degrade(Batch(raw)).x.numpy()):
                low, template = bridge.template(one, Batch(torch.zeros_like(raw[:1])))
                assert template.x.shape[1:] == raw.shape[1:]
                whole = shown(bridge.degrade(Batch(raw)), Batch(raw)).part(place, 1)
                for key, value in tensors(shown(low, template)).items():
                    torch.testing.assert_close(value, tensors(whole)[key])

        @pytest.mark.parametrize("wrong", ["type", "axes"])
        def test_a_template_refuses_what_none_made(self, wrong: str) -> None:
            low = built().degrade(Batch(raw[:1])).x[0].numpy()
            given = low.astype("complex64") if wrong == "type" else low[None, None]
            with pytest.raises(UsageError):
                built().template(given, Batch(torch.zeros_like(raw[:1])))

        def test_what_training_draws_is_reproducible_and_changes_no_shape(self) -> None:
            bridge, low = built(), built().degrade(Batch(raw))
            one, other = (bridge.corrupt(low, Stream(0, "contract")) for _ in range(2))
            assert torch.equal(one.x, other.x)
            assert (one.x.shape, one.x.dtype) == (low.x.shape, low.x.dtype)

        def test_a_crop_cuts_all_alike(self) -> None:
            batch = shown(built().degrade(Batch(raw)), Batch(raw))
            one, other = (built().crop(batch, Stream(0, "contract")) for _ in range(2))
            assert torch.equal(one.x, other.x)
            assert one.x.shape[:2] == batch.x.shape[:2]
            for key, value in batch.cond.items():
                assert one.cond[key].shape[2:] == (
                    one.x.shape[2:] if value.shape[2:] == batch.x.shape[2:] else value.shape[2:]
                )

    return named(BridgeContract, name)


def _at_real(value: Tensor, batch: Batch) -> Tensor:
    """A condition with zeros where the example is padding; one that has no positions stays whole."""
    if batch.mask is None or value.shape[2:] != batch.x.shape[2:] or value.ndim != batch.x.ndim:
        return value
    return value * batch.mask.any(1, keepdim=True)
