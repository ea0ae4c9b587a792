"""The bridge from sounds of the right bands to sounds."""

import math

import pytest
import torch

from difftool import Batch, Description, Euclidean, UsageError
from difftool.rng import Stream
from difftool_audio.contracts import noises
from difftool_audio.options import VocoderOptions
from difftool_audio.vocoder import Vocoder
from difftool_audio.waveform import RMS, Waveform

RATE = 16_000
SOUND = noises()


def built(raw: torch.Tensor, **options) -> Vocoder:
    data = Description(
        tuple(raw.shape[1:]), "int16", len(raw), extra={"rate": RATE}, measured={"scale": 4.0}
    )
    return Vocoder(VocoderOptions(**options), data, Waveform(None, data))


def shown(bridge: Vocoder, low: Batch, raw: Batch) -> Batch:
    return bridge.encode(low, raw, torch.zeros(len(raw)), Stream(0, "show"))


@pytest.mark.parametrize("n", [1, 200, 4096, 5001])
def test_what_is_shown_lies_at_the_samples(n):
    raw = Batch(SOUND[..., :n])
    bridge = built(raw.x, mels=40)
    batch = shown(bridge, bridge.degrade(raw), raw)
    assert batch.cond["low"].shape == (3, 2 * 40, n)
    assert batch.x.shape == bridge.restore(batch).x.shape == (3, 2, n)
    assert bridge.restore(batch).x.isfinite().all()


def tilted(size: float, n: int = 32_000) -> torch.Tensor:
    """Noise whose high frequencies are 40 dB below its low ones, loud in its first half and quiet in its second."""
    noise = torch.randn(4, 1, n, generator=torch.Generator().manual_seed(1))
    low = torch.fft.irfft(torch.fft.rfft(noise) * torch.logspace(0, -2, n // 2 + 1))
    loud = torch.where(torch.arange(n) < n // 2, 1.0, 0.1)
    return (low * loud * size * 32768).short()


@pytest.mark.parametrize("size", [0.3, 0.8])
def test_loud_and_quiet_and_low_and_high_come_to_one_spread(size):
    raw = Batch(tilted(size))
    bridge = built(raw.x)
    white = shown(bridge, bridge.degrade(raw), raw).x
    for part in (white[..., 1024:15_000], white[..., 17_000:-1024]):
        assert part.std() == pytest.approx(RMS, rel=0.2)
    power = bridge.bands.frames.transform(white)[..., 8:-8].abs().square().mean((0, 1, 3))
    assert (power[8:-8] / power[8:-8].mean()).log().abs().max() < math.log(2)


def test_restoring_gives_the_sound_again():
    """To a twentieth of its power at worst: dividing by a spectrum that changes from frame to frame is undone nearly, not wholly."""
    raw = Batch(tilted(0.1))
    bridge = built(raw.x)
    encoded, batch = bridge.representation.encode(raw).x, shown(bridge, bridge.degrade(raw), raw)
    error = bridge.restore(batch).x - encoded
    assert error.square().mean() < 0.05 * encoded.square().mean()


def test_whatever_is_made_has_the_bands_that_were_shown():
    raw = Batch(tilted(0.1))
    bridge = built(raw.x)
    batch = shown(bridge, raw, raw)
    made = bridge.restore(
        batch.with_x(RMS * torch.randn(raw.x.shape, generator=torch.Generator().manual_seed(2)))
    )
    wanted, found = bridge.bands(raw), bridge.bands(bridge.representation.decode(made))
    assert (wanted - found)[..., 2:-2].abs().mean() < 0.2
    noise = bridge.bands(
        bridge.representation.decode(made.with_x(made.x.std() * torch.randn(raw.x.shape)))
    )
    assert (wanted - noise).abs().mean() > 1


def test_bands_that_noise_was_added_to_are_not_kept():
    raw = Batch(tilted(0.1))
    bridge = built(raw.x, max_aug_level=0.5)
    noisy = bridge.encode(raw, raw, torch.tensor([0.0, 0.5, 0.0, 0.5]), Stream(0, "show"))
    made = noisy.with_x(RMS * torch.randn(raw.x.shape, generator=torch.Generator().manual_seed(2)))
    found = bridge.bands(bridge.representation.decode(bridge.restore(made)))
    error = (bridge._bands(noisy) - found)[..., 2:-2].abs().mean((1, 2, 3))
    assert (error[::2] < 0.2).all()
    assert (error[1::2] > 0.3).all()


def test_only_the_bands_are_shown():
    """A sound turned upside down has the bands of the sound."""
    raw = Batch(SOUND)
    bridge = built(SOUND)
    torch.testing.assert_close(
        shown(bridge, Batch(-SOUND), raw).cond["low"],
        shown(bridge, raw, raw).cond["low"],
        rtol=1e-5,
        atol=1e-5,
    )


def test_padding_counts_as_silence():
    n = 3000
    mask = (torch.arange(5001) < n)[None, None].expand(3, 1, -1)
    dirty, clean = Batch(SOUND, mask=mask), Batch(SOUND * mask, mask=mask)
    bridge = built(SOUND)
    assert torch.equal(
        shown(bridge, dirty, dirty).cond["low"], shown(bridge, clean, clean).cond["low"]
    )
    whole, part = (
        shown(bridge, clean, clean),
        shown(bridge, Batch(SOUND[..., :n]), Batch(SOUND[..., :n])),
    )
    torch.testing.assert_close(whole.cond["low"][..., :n], part.cond["low"])


def test_a_tone_is_shown_in_its_band():
    tone = (16384 * torch.sin(2 * math.pi * 1000 * torch.arange(8192) / RATE)).short()[None, None]
    bridge = built(tone, mels=40)
    low = shown(bridge, Batch(tone), Batch(tone)).cond["low"][0, :, 4096]
    bank = bridge.bands.bank(torch.device("cpu"))
    assert low.argmax() == bank[round(1000 / RATE * 2 * (len(bank) - 1))].argmax()


def test_spectra_and_other_rates_are_refused():
    data = Description((1, 4096), "int16", 2, extra={"rate": RATE})

    class Spectra:
        shape, space = (1, 64, 17), Euclidean()

    with pytest.raises(UsageError, match="waveform"):
        Vocoder(VocoderOptions(), data, Spectra())
    with pytest.raises(UsageError, match="one rate"):
        built(SOUND).check_compatible(Description((2, 5001), "int16", 2, extra={"rate": 8000}))


def test_samples_are_as_long_as_what_they_are_made_of():
    bridge = built(SOUND)
    low, like = bridge.template(
        SOUND[0, :, :777].numpy(), Batch(torch.zeros(1, 2, 5001, dtype=torch.int16))
    )
    assert low.x.shape == like.x.shape == (1, 2, 777)
    masked = Batch(
        torch.zeros(1, 2, 5001, dtype=torch.int16), mask=torch.ones(1, 1, 5001, dtype=torch.bool)
    )
    low, like = bridge.template(SOUND[0, :, :777].numpy(), masked)
    assert low.x.shape == like.x.shape == (1, 2, 5001)
    assert low.mask.sum() == like.mask.sum() == 777
