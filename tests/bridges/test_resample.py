"""The built-in bridge: its settings, its noise and blur, its sizes, padding, and what it says of stages that do not fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from difftool import Batch, ChannelsColumn, Description, Stream, UsageError
from difftool.bridges.options import ResampleOptions
from difftool.bridges.resample import Resample
from difftool_audio.options import SpectrogramOptions
from difftool_audio.spectrogram import Spectrogram
from difftool_audio.waveform import Waveform
from difftool_image.pixels import Pixels
from difftool_molecule.options import PointCloudOptions
from difftool_molecule.pointcloud import PointCloud
from difftool_video.frames import Frames

PICTURE = Description((3, 9, 12), "uint8", 10)
SOUND = Description((1, 32), "int16", 10, extra={"rate": 16000})


def pictures(**options) -> Resample:
    return Resample(ResampleOptions(factors=(1, 2, 2), **options), PICTURE, Pixels(None, PICTURE))


def sounds(**options) -> Resample:
    about = replace(SOUND, measured={"scale": 4.0})
    return Resample(
        ResampleOptions(factors=(1, 4), rates={"rate": 1}, **options), about, Waveform(None, about)
    )


def make_spectrogram(about: Description) -> Spectrogram:
    options = SpectrogramOptions()
    measured = Spectrogram(options, about).measure(
        [Batch(torch.ones(1, 1, 4096, dtype=torch.int16))]
    )
    return Spectrogram(options, replace(about, measured=measured))


def noise(n: int = 4) -> Batch:
    return Batch(
        torch.randint(
            0, 256, (n, 3, 9, 12), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
        )
    )


# --- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"down": ("area", "area")}, "down names 2 methods for 3 axes"),
        ({"up": "sinc"}, "up = sinc on axis 1"),
        ({"rates": {"rate": 3}}, "rates.rate names axis 3"),
        ({"factors": (1, -2, 2)}, "greater than or equal to 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options, said):
    with pytest.raises(ValidationError, match=said):
        ResampleOptions(**{"factors": (1, 2, 2), **options})


def test_there_is_a_factor_for_each_axis():
    with pytest.raises(
        UsageError,
        match=r"bridge.factors = \[2, 2\] is for 2 axes, and an example has 3: 3 x 9 x 12",
    ):
        Resample(ResampleOptions(factors=(2, 2)), PICTURE, Pixels(None, PICTURE))


def test_examples_without_channels_are_refused():
    """Points in space, say: there is nothing for the low example to lie beside."""
    about = Description(
        (None, 5), "float32", 10, extra={"elements": [1, 6], "sizes": [[3, 10]], "charged": False}
    )
    with pytest.raises(UsageError, match="an encoded example, any x 6, varies"):
        Resample(ResampleOptions(factors=(2, 1)), about, PointCloud(PointCloudOptions(), about))


def test_a_crop_is_of_axes_that_there_are():
    with pytest.raises(
        UsageError,
        match=r"bridge.crop = \[4, 4, 4\] is for 3 axes, and an encoded example has 3 x 9 x 12",
    ):
        pictures(crop=(4, 4, 4))


# --- what is shown -----------------------------------------------------------------------------------------------------


def test_the_level_is_a_condition_only_where_training_draws_it():
    assert [c.name for c in pictures().conditions()] == ["low"]
    assert [c.name for c in pictures(max_aug_level=1.0).conditions()] == ["low", "low_level"]
    batch = pictures(max_aug_level=1.0).encode(
        pictures().degrade(noise()), noise(), torch.arange(4) / 4, Stream(0, "t")
    )
    assert batch.cond["low_level"].tolist() == [0, 0.25, 0.5, 0.75]


def test_levels_are_each_example_s_own_and_reach_from_none_to_the_highest():
    drawn = pictures(max_aug_level=0.8).draw_aug_levels(4000, Stream(0, "levels"))
    assert (drawn.min() < 0.01, drawn.max() > 0.79, drawn.unique().numel() > 3900) == (
        True,
        True,
        True,
    )
    assert drawn.mean().item() == pytest.approx(0.4, abs=0.02)


def test_noise_has_the_standard_deviation_that_its_level_says():
    bridge, raw = pictures(max_aug_level=2.0), noise(64)
    low = bridge.degrade(raw)
    clean, noisy = (
        bridge.encode(low, raw, torch.full((64,), level), Stream(0, "t")).cond["low"]
        for level in (0.0, 1.5)
    )
    added = noisy * (0.25 + 1.5**2) ** 0.5 - clean / 2  # back in model units
    assert added.std().item() == pytest.approx(1.5, rel=0.02)


def test_an_even_example_is_shown_as_it_is_encoded():
    raw = Batch(torch.full((2, 3, 9, 12), 200, dtype=torch.uint8))
    shown = (
        pictures().encode(pictures().degrade(raw), raw, torch.zeros(2), Stream(0, "t")).cond["low"]
    )
    torch.testing.assert_close(shown, 2 * Pixels(None, PICTURE).encode(raw).x)


def residual(bridge: Resample) -> Resample:
    """One that makes what is missing, with what it measures of the noise."""
    measured = {**bridge.description.measured, **bridge.measure([noise()])}
    return Resample(
        bridge.options, replace(bridge.description, measured=measured), bridge.representation
    )


def test_what_is_missing_is_brought_to_unit_scale_whatever_noise_is_shown():
    bridge, raw = residual(pictures(residual=True, max_aug_level=1.0)), noise()
    low = bridge.degrade(raw)
    for level in (0.0, 0.3, 1.0):
        x = bridge.encode(low, raw, torch.full((4,), level), Stream(0, "t")).x
        assert x.square().mean().sqrt().item() == pytest.approx(0.5, rel=0.05)


def test_what_is_missing_and_what_is_shown_make_the_whole_again():
    """At each example's own level, noise and all."""
    bridge, raw = residual(pictures(residual=True, max_aug_level=1.0)), noise()
    batch = bridge.encode(
        bridge.degrade(raw), raw, torch.tensor([0.0, 0.2, 0.6, 1.0]), Stream(0, "t")
    )
    torch.testing.assert_close(
        bridge.restore(batch).x, Pixels(None, PICTURE).encode(raw).x, atol=1e-5, rtol=0
    )


def test_nothing_made_is_the_filled_in_example():
    bridge, raw = residual(pictures(residual=True)), noise()
    low = bridge.degrade(raw)
    batch = bridge.encode(low, raw, torch.zeros(4), Stream(0, "t"))
    filled = Pixels(None, PICTURE).encode(raw.with_x(bridge.lift(low, raw)))
    torch.testing.assert_close(bridge.restore(batch.with_x(torch.zeros_like(batch.x))).x, filled.x)


def test_of_even_examples_next_to_nothing_is_missing():
    even = Batch(torch.full((2, 3, 9, 12), 200, dtype=torch.uint8))
    assert pictures(residual=True).measure([even]) == {"missing": 1e-3}
    assert pictures().measure([even]) == {}


def test_blur_lowers_contrast_by_each_example_s_own_width_and_keeps_the_mean():
    bridge = pictures(blur=2.0)
    low = bridge.degrade(noise(1)).map(lambda t: t.expand(16, *t.shape[1:]))
    spread = bridge.corrupt(low, Stream(0, "blur")).x.float().flatten(1).std(1)
    assert (spread <= low.x.float().flatten(1).std(1) + 0.5).all()
    assert spread.unique().numel() > 10
    even = low.with_x(torch.full_like(low.x, 77))
    assert torch.equal(bridge.corrupt(even, Stream(0, "blur")).x, even.x)


def test_a_bright_example_stays_within_bytes():
    """A band of frequencies overshoots at edges."""
    step = torch.zeros(1, 1, 64, dtype=torch.int16)
    step[..., 32:] = 32767
    about = replace(SOUND, shape=(1, 64))
    low = (
        Resample(
            ResampleOptions(factors=(1, 4), down="sinc", up="sinc"), about, Waveform(None, about)
        )
        .degrade(Batch(step))
        .x
    )
    assert low.min() < -500
    assert low.max() == 32767


# --- what is shown is known ----------------------------------------------------------------------------------------------

CLIP = Description((7, 3, 4, 5), "uint8", 10)


def clips(**options) -> tuple[Resample, Batch]:
    """A bridge that keeps every third frame, and two clips."""
    raw = torch.randint(
        0, 256, (2, 7, 3, 4, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(3)
    )
    return Resample(
        ResampleOptions(factors=(3, 1, 1, 1), down="every", observed=True, **options),
        CLIP,
        Frames(None, CLIP),
    ), Batch(raw)


def test_shown_entries_stand_in_the_example_and_are_marked():
    bridge, raw = clips()
    template = raw.with_x(torch.zeros_like(raw.x))
    batch = bridge.encode(bridge.degrade(raw), template, torch.zeros(2), Stream(0, "t"))
    whole = Frames(None, CLIP).encode(raw).x
    assert batch.observed is not None
    assert (
        batch.observed.expand(2, 1, 7, 4, 5).any((1, 3, 4)).tolist()
        == [[True, False, False] * 2 + [True]] * 2
    )
    assert torch.equal(batch.x[:, :, ::3], whole[:, :, ::3])
    frames, where = batch.cond["low"][:, :-1], batch.cond["low"][:, -1:]
    assert torch.equal(frames, 2 * whole * where)
    assert torch.equal(where, batch.observed.to(where.dtype).expand_as(where))
    assert [c.width for c in bridge.conditions()] == [4]


def test_a_representation_in_which_entries_are_mixed_knows_none():
    """Every number of a spectrogram hangs on samples in between."""
    about = Description((1, 4096), "int16", 10, extra={"rate": 16000})
    spectrogram = make_spectrogram(about)
    raw = Batch(
        torch.randint(
            -9000, 9000, (1, 1, 4096), dtype=torch.int16, generator=torch.Generator().manual_seed(0)
        )
    )
    bridge = Resample(
        ResampleOptions(factors=(1, 4), down="every", observed=True), about, spectrogram
    )
    batch = bridge.encode(bridge.degrade(raw), raw, torch.zeros(1), Stream(0, "t"))
    assert not batch.observed.any()  # type: ignore[union-attr]
    assert not batch.cond["low"].any()


@pytest.mark.parametrize("options", [{"max_aug_level": 0.1}, {"residual": True}, {"down": "area"}])
def test_what_is_known_is_exact(options):
    with pytest.raises(ValidationError, match="observed = true keeps the earlier"):
        ResampleOptions(**{"factors": (3, 1), "down": "every", "observed": True, **options})


# --- padding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("down", "up"), [("area", "linear"), ("every", "nearest"), ("sinc", "sinc")]
)
@pytest.mark.parametrize("length", [13, 20, 32])
def test_padding_is_as_if_it_were_not_there(down, up, length):
    bridge = sounds(down=down, up=up)
    alone = torch.randint(
        -9000, 9000, (1, 1, length), dtype=torch.int16, generator=torch.Generator().manual_seed(2)
    )
    padded = torch.nn.functional.pad(alone, (0, 32 - length), value=777)
    mask = (torch.arange(32) < length)[None, None]
    low, low_padded = bridge.degrade(Batch(alone)), bridge.degrade(Batch(padded, mask=mask))
    n = low.x.shape[-1]
    assert torch.equal(low_padded.x[..., :n], low.x)
    assert not low_padded.x[..., n:].any()
    assert low_padded.mask is not None
    assert low_padded.mask.sum() == n
    torch.testing.assert_close(
        bridge.lift(low_padded, Batch(padded))[..., :length], bridge.lift(low, Batch(alone))
    )


# --- sizes -------------------------------------------------------------------------------------------------------------


def template(bridge: Resample, low: tuple[int, ...], raw: Batch) -> tuple[Batch, Batch]:
    return bridge.template(np.ones(low, np.dtype(bridge.description.dtype)), raw)


def test_the_usual_size_is_made_where_it_fits_and_else_that_of_the_low_example():
    raw = Batch(torch.zeros(1, 3, 9, 12, dtype=torch.uint8))
    assert template(pictures(), (3, 5, 6), raw)[1] is raw
    assert template(pictures(), (3, 7, 6), raw)[1].x.shape == (1, 3, 14, 12)
    with pytest.raises(
        UsageError, match="4 entries along axis 0, but this stage's examples have 3"
    ):
        template(pictures(), (4, 5, 6), raw)


def test_an_axis_that_is_not_resampled_may_be_of_any_size_but_for_the_channels():
    """More frames of a clip that is larger than those trained on. Of the frames that are given, none is beyond those there were."""
    about = Description(
        (4, 3, 8, 8), "uint8", 10, {"given_frames": ChannelsColumn("given_frames", width=4)}
    )
    frames = Frames(None, about)
    bridge = Resample(ResampleOptions(factors=(2, 1, 1, 1), down="every"), about, frames)
    raw = Batch(
        torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8),
        {"given_frames": torch.ones(1, 4, dtype=torch.bool)},
    )
    low, made = bridge.template(np.ones((3, 3, 10, 12), np.uint8), raw)
    assert made.x.shape == (1, 6, 3, 10, 12)
    assert made.cond["given_frames"].tolist() == [[True] * 4 + [False] * 2]
    assert bridge.encode(low, made, torch.zeros(1), Stream(0, "t")).cond["low"].shape == (
        1,
        3,
        6,
        10,
        12,
    )
    assert bridge.template(np.ones((1, 3, 8, 8), np.uint8), raw)[1].cond[
        "given_frames"
    ].tolist() == [[True, True]]
    with pytest.raises(
        UsageError, match="1 entries along axis 1, but this stage's examples have 3"
    ):
        bridge.template(np.ones((3, 1, 10, 12), np.uint8), raw)


def test_what_is_shorter_is_padded_where_examples_are():
    raw = Batch(torch.zeros(1, 1, 32, dtype=torch.int16), mask=(torch.arange(32) < 30)[None, None])
    low, made = template(sounds(), (1, 5), raw)
    assert (low.x.shape, made.x.shape) == ((1, 1, 8), (1, 1, 32))
    assert (low.mask.sum(), made.mask.sum(), low.x.sum()) == (5, 20, 5)  # type: ignore[union-attr]
    assert template(sounds(), (1, 5), Batch(raw.x))[1].x.shape == (1, 1, 20)
    longer = template(sounds(), (1, 9), raw)[1]
    assert longer.x.shape == (1, 1, 36)
    assert longer.mask is not None
    assert longer.mask.all()


def test_stages_of_other_sizes_and_rates_do_not_fit():
    fitting = replace(PICTURE, shape=(3, 5, 6))
    pictures().check_compatible(fitting)
    with pytest.raises(
        UsageError, match="examples of 3 x 5 x 5, and this one refines those of 3 x 5 x 6"
    ):
        pictures().check_compatible(replace(fitting, shape=(3, 5, 5)))
    sounds().check_compatible(replace(SOUND, shape=(1, 999), extra={"rate": 4000}))
    with pytest.raises(UsageError, match="rate 8000, but this one refines 4000: its own is 16000"):
        sounds().check_compatible(replace(SOUND, extra={"rate": 8000}))
    with pytest.raises(UsageError, match="no number"):
        sounds().check_compatible(replace(SOUND, extra={}))


# --- crops -------------------------------------------------------------------------------------------------------------


def test_a_crop_cuts_everything_at_the_same_place_and_from_real_entries():
    places = torch.arange(32.0).expand(200, 1, 32)
    mask = (
        torch.arange(32)[None, None]
        < torch.where(torch.arange(200) % 2 == 0, 20, 32)[:, None, None]
    )
    batch = Batch(places, {"low": -places, "class": torch.arange(200)}, mask)
    part = sounds(crop=(8,)).crop(batch, Stream(0, "crop"))
    assert part.x.shape == (200, 1, 8)
    assert torch.equal(part.cond["low"], -part.x)
    assert torch.equal(part.cond["class"], batch.cond["class"])
    assert (part.x.diff() == 1).all()
    assert part.mask is not None
    assert part.mask.all()
    first = part.x[:, 0, 0]
    assert (first[::2].min(), first[::2].max(), first[1::2].max()) == (0, 12, 24)


def test_what_is_no_larger_than_a_crop_stays_whole():
    batch = Batch(torch.randn(2, 1, 5), mask=torch.ones(1, 1, 5, dtype=torch.bool))
    assert sounds(crop=(8,)).crop(batch, Stream(0, "crop")) is batch


# --- samples that agree with what they refine ----------------------------------------------------------------------------


@pytest.mark.parametrize("down", ["area", "every"])
def test_a_sample_agrees_with_what_it_refines(down):
    """To the rounding of bytes, whatever was made; one that agrees already stays as it is."""
    bridge, made = pictures(down=down), noise()
    grey = (
        made.x.float().mul(0.4).add(75).byte()
    )  # far enough from black and white that nothing is cut off
    low, other = bridge.degrade(Batch(grey)), Batch(grey.flip(0))
    again = bridge.degrade(bridge.enforce_consistency(other, low)).x.float()
    assert (again - low.x.float()).abs().max() <= 1
    assert (bridge.degrade(other).x.float() - low.x.float()).abs().max() > 20
    assert (bridge.enforce_consistency(Batch(grey), low).x.float() - grey.float()).abs().max() <= 1


def test_padding_stays_out_of_what_agrees():
    bridge = sounds(down="sinc", up="sinc")
    mask = (torch.arange(32) < 21)[None, None].expand(2, 1, -1)
    raw = Batch(
        torch.randint(
            -3000, 3000, (2, 1, 32), dtype=torch.int16, generator=torch.Generator().manual_seed(0)
        )
        * mask,
        mask=mask,
    )
    low = bridge.degrade(raw)
    short = bridge.enforce_consistency(Batch(raw.x[..., :21]), Batch(low.x[..., :6]))
    assert torch.equal(
        bridge.enforce_consistency(raw, low).x[..., 21:], torch.zeros(2, 1, 11, dtype=torch.int16)
    )
    assert (
        bridge.enforce_consistency(raw, low).x[..., :21].float() - short.x.float()
    ).abs().max() <= 1
