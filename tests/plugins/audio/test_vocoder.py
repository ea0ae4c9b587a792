"""The bridge from sounds of the right bands to sounds."""

import math

import pytest
import torch

from difftool import Batch, Description, Euclidean, UsageError
from difftool.rng import Stream
from difftool.testing import bridge_contract
from difftool_audio.options import VocoderOptions
from difftool_audio.vocoder import Vocoder
from difftool_audio.waveform import RMS, Waveform

RATE = 16_000
SOUND = (torch.randn(3, 2, 5001, generator=torch.Generator().manual_seed(0)) * torch.tensor([300.0, 3000.0, 10.0])[:, None, None]).short()
TestVocoder = bridge_contract("vocoder", SOUND, "waveform", options={"augment": 0.5, "mels": 40}, extra={"rate": RATE})


def built(raw: torch.Tensor, **options) -> Vocoder:
    data = Description(tuple(raw.shape[1:]), "int16", len(raw), extra={"rate": RATE}, measured={"scale": 4.0})
    return Vocoder(VocoderOptions(**options), data, Waveform(None, data))


def shown(bridge: Vocoder, low: Batch, raw: Batch) -> Batch:
    return bridge.show(low, raw, torch.zeros(len(raw)), Stream(0, "show"))


@pytest.mark.parametrize("n", [1, 200, 4096, 5001])
def test_what_is_shown_lies_at_the_samples_and_restoring_gives_them_back(n):
    raw = Batch(SOUND[..., :n])
    bridge = built(raw.x)
    batch = shown(bridge, bridge.degrade(raw), raw)
    assert batch.cond["low"].shape == (3, bridge.width, n)
    encoded = bridge.representation.encode(raw).x
    torch.testing.assert_close(bridge.restore(batch).x, encoded, rtol=1e-4, atol=1e-7)
    assert torch.equal(bridge.representation.decode(bridge.restore(batch)).x, raw.x)


@pytest.mark.parametrize("size", [1e-3, 1e-2, 0.1])
def test_loud_and_quiet_sounds_come_to_one_spread(size):
    """Noise of any size has the spread that processes expect, to a fifth."""
    noise = torch.randn(4, 1, 32_000, generator=torch.Generator().manual_seed(1))
    raw = Batch((noise * size * 32768).short())
    bridge = built(raw.x)
    spread = shown(bridge, bridge.degrade(raw), raw).x[..., 512:-512].std()
    assert 0.9 * RMS <= spread <= 1.25 * RMS


def test_only_the_bands_are_shown():
    """A sound turned upside down has the bands of the sound."""
    raw = Batch(SOUND)
    bridge = built(SOUND)
    torch.testing.assert_close(shown(bridge, Batch(-SOUND), raw).cond["low"], shown(bridge, raw, raw).cond["low"], rtol=1e-5, atol=1e-5)


def test_padding_counts_as_silence():
    n = 3000
    mask = (torch.arange(5001) < n)[None, None].expand(3, 1, -1)
    dirty, clean = Batch(SOUND, mask=mask), Batch(SOUND * mask, mask=mask)
    bridge = built(SOUND)
    assert torch.equal(shown(bridge, dirty, dirty).cond["low"], shown(bridge, clean, clean).cond["low"])
    whole, part = shown(bridge, clean, clean), shown(bridge, Batch(SOUND[..., :n]), Batch(SOUND[..., :n]))
    torch.testing.assert_close(whole.cond["low"][..., :n], part.cond["low"])


def test_a_tone_is_shown_in_its_band_and_as_loud_as_it_is():
    tone = (16384 * torch.sin(2 * math.pi * 1000 * torch.arange(8192) / RATE)).short()[None, None]
    bridge = built(tone, mels=40)
    low = shown(bridge, Batch(tone), Batch(tone)).cond["low"][0, :, 4096]
    bank = bridge.bands.bank(torch.device("cpu"))
    assert low[:-1].argmax() == bank[round(1000 / RATE * 2 * (len(bank) - 1))].argmax()
    assert low[-1].item() == pytest.approx(math.log(0.5 / math.sqrt(2)), abs=0.7)  # means of amplitudes are below those of squares


def test_spectra_and_other_rates_are_refused():
    data = Description((1, 4096), "int16", 2, extra={"rate": RATE})

    class Spectra:
        shape, space = (1, 64, 17), Euclidean()

    with pytest.raises(UsageError, match="waveform"):
        Vocoder(VocoderOptions(), data, Spectra())
    with pytest.raises(UsageError, match="one rate"):
        built(SOUND).fit(Description((2, 5001), "int16", 2, extra={"rate": 8000}))


def test_samples_are_as_long_as_what_they_are_made_of():
    bridge = built(SOUND)
    low, like = bridge.template(SOUND[0, :, :777].numpy(), Batch(torch.zeros(1, 2, 5001, dtype=torch.int16)))
    assert low.x.shape == like.x.shape == (1, 2, 777)
    masked = Batch(torch.zeros(1, 2, 5001, dtype=torch.int16), mask=torch.ones(1, 1, 5001, dtype=torch.bool))
    low, like = bridge.template(SOUND[0, :, :777].numpy(), masked)
    assert low.x.shape == like.x.shape == (1, 2, 5001)
    assert low.mask.sum() == like.mask.sum() == 777
