"""Log-mel bands, and the way back."""

from __future__ import annotations

import math

import pytest
import torch
import torchaudio

from difftool import Batch, Description, UsageError
from difftool_audio.bands import mel_bank
from difftool_audio.frames import Frames
from difftool_audio.options import SpectrogramOptions
from difftool_audio.spectrogram import LEAST_STD, Spectrogram, invert, spread

RATE = 16_000


def voice(
    seconds: float = 1.0, pitch: float = 140.0, channels: int = 1, level: float = 0.2, seed: int = 0
) -> torch.Tensor:
    """int16 ``[1, c, n]``: syllables of a gliding harmonic tone with formants, and of hiss; the channels differ."""
    t = torch.arange(round(seconds * RATE)) / RATE
    phase = 2 * math.pi * (pitch * t + 15 * t.square())
    formants = [
        math.exp(-((k * pitch - 600) ** 2) / 3e5) + 0.3 * math.exp(-((k * pitch - 1800) ** 2) / 5e5)
        for k in range(1, 30)
    ]
    tone = sum(a * torch.sin(k * phase + k * k) for k, a in enumerate(formants, 1))
    syllable = torch.sin(math.pi * 5 * t)
    hiss = torch.randn(channels, len(t), generator=torch.Generator().manual_seed(seed))
    voiced, unvoiced = syllable.clamp_min(0).sqrt(), (-syllable).clamp_min(0)
    x = (
        tone
        / tone.square().mean().sqrt()
        * voiced
        * level
        * torch.linspace(1, 0.7, channels)[:, None]
    )
    x = x + hiss * (1e-3 + 0.3 * level * unvoiced)
    return (x * 32768).clamp(-32767, 32767).round().to(torch.int16)[None]


VOICES = torch.cat([voice(0.7, pitch, seed=pitch) for pitch in (110, 140, 220)])


def built(shape=(1, RATE), rate: int = RATE, measured=None, **options) -> Spectrogram:
    return Spectrogram(
        SpectrogramOptions(**options),
        Description(tuple(shape), "int16", 1, extra={"rate": rate}, measured=measured or {}),
    )


def fitted(*batches: Batch, **options) -> Spectrogram:
    shape = batches[0].x.shape[1:]
    return built(shape, measured=built(shape, **options).measure(batches), **options)


def round_trip(one: Spectrogram, raw: torch.Tensor) -> torch.Tensor:
    return one.decode(one.encode(Batch(raw))).x[..., : raw.shape[-1]]


def amplitudes(x: torch.Tensor) -> torch.Tensor:
    return Frames(256, 1024).transform(x.float()).abs()


def convergence(made: torch.Tensor, asked: torch.Tensor) -> float:
    """||A - B|| / ||B|| of the amplitudes: the usual measure of phase retrieval."""
    a, b = amplitudes(made), amplitudes(asked)
    return ((a - b).norm() / b.norm()).item()


# --- what is encoded


def test_bands_are_those_of_torchaudio():
    raw = voice()
    reference = torchaudio.transforms.MelSpectrogram(
        RATE,
        1024,
        hop_length=256,
        f_min=20,
        n_mels=80,
        power=1,
        pad_mode="constant",
        norm=None,
        mel_scale="htk",
    )
    bank = reference.mel_scale.fb
    one = built()
    padded = torch.nn.functional.pad(raw.float() / 32768, (0, -raw.shape[-1] % 256))
    bands = reference(padded) / reference.spectrogram.window.sum() * 2 / bank.sum(0)[:, None]
    torch.testing.assert_close(
        2 * one.encode(Batch(raw)).x, (bands + one.bands.floor).log(), atol=1e-4, rtol=1e-4
    )


def test_a_full_scale_sine_has_amplitude_one_and_white_noise_is_flat():
    t = torch.arange(RATE)
    peak = amplitudes(torch.sin(2 * math.pi * 1000 * t / RATE)[None, None])[..., 5:-5].amax(2)
    torch.testing.assert_close(peak, torch.ones_like(peak), atol=1e-3, rtol=0)
    white = (torch.randn(4, 1, RATE, generator=torch.Generator().manual_seed(0)) * 3000).to(
        torch.int16
    )
    bands = 2 * built().encode(Batch(white)).x[..., 4:-4].mean((0, 1, 3))
    assert bands.max() - bands.min() < 0.3


def test_hop_and_window_follow_the_rate_and_shapes_follow_them():
    assert [
        built((1, rate), rate).frames.hop for rate in (8000, 16_000, 22_050, 44_100, 48_000)
    ] == [128, 256, 256, 512, 1024]
    assert built().shape == (1, 80, 64)
    assert built((2, 16_001), mels=64, hop=128, window=700).shape == (2, 64, 127)
    assert built((1, None)).shape == (1, 80, None)
    raw = voice()[..., :15_999]
    assert built().encode(Batch(raw)).x.shape[1:] == built((1, 15_999)).shape


def test_every_band_of_the_data_has_mean_0_and_std_a_half():
    one = fitted(Batch(VOICES[:1]), Batch(VOICES[1:]))
    x = one.encode(Batch(VOICES)).x
    torch.testing.assert_close(x.mean((0, 1, 3)), torch.zeros(80), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        x.std((0, 1, 3), correction=0), torch.full((80,), 0.5), atol=1e-4, rtol=0
    )


def test_a_band_in_which_there_is_nothing_is_not_stretched():
    """Sound of a telephone, kept at 16 kHz."""
    narrow = (
        torchaudio.functional.resample(VOICES.float()[..., ::2] * 0.5, 8000, RATE)
        .round()
        .to(torch.int16)
    )
    one = fitted(Batch(narrow))
    assert one.std.min() == pytest.approx(LEAST_STD)
    assert (
        one.encode(Batch(narrow)).x[:, :, -5:, 4:-4].std() < 0.2
    )  # the ends are cut, which clicks


def test_silence_does_not_set_the_statistics():
    """The reason for the floor: rounding to 16 bits is no distance from digital silence, and a quiet room little of that to speech."""
    one = fitted(Batch(VOICES))
    white = torch.randn(1, 1, RATE, generator=torch.Generator().manual_seed(0)) * 32768
    silence, rounding, room = (
        one.encode(Batch((white * rms).round().to(torch.int16))).x.mean() for rms in (0, 1e-5, 1e-3)
    )
    speech = one.encode(Batch(VOICES)).x.amax()
    assert rounding - silence < 0.03 * (speech - silence)
    assert 0.1 < (room - silence) / (speech - silence) < 0.3


# --- the way back


def test_the_bands_are_inverted_and_no_amplitude_is_negative():
    bank = mel_bank(513, 80, RATE, 20, 0)
    bands = bank.mT @ amplitudes(voice())
    amplitude = invert(bands, bank)
    assert amplitude.min() >= 0
    assert (bank.mT @ amplitude - bands).norm() / bands.norm() < 5e-3


def test_a_round_of_the_inversion_lowers_the_divergence_of_the_bands():
    bank = mel_bank(513, 80, RATE, 20, 0)
    bands = bank.mT @ amplitudes(voice())
    amplitude, divergences = torch.ones(1, 1, 513, bands.shape[-1]), []
    for _ in range(6):
        now = bank.mT @ amplitude
        divergences.append((bands * (bands / now).log() - bands + now).sum().item())
        amplitude = spread(bands, bank, amplitude)
    assert divergences == sorted(divergences, reverse=True)


def of_torchaudio(bands: torch.Tensor, bank: torch.Tensor, iterations: int) -> torch.Tensor:
    """The same way back with torchaudio's parts: least squares, then Griffin-Lim from phase 0."""
    amplitude = torch.linalg.lstsq(bank.mT[None, None], bands, driver="gelsd").solution.clamp_min(0)
    vocoder = torchaudio.transforms.GriffinLim(
        1024, iterations, hop_length=256, power=1, momentum=0.99, rand_init=False
    )
    return vocoder(amplitude * 1024 / 4)


def test_it_converges_at_least_as_well_as_torchaudio():
    one, bank = fitted(Batch(VOICES)), mel_bank(513, 80, RATE, 20, 0)
    sound = VOICES.float() / 32768
    bands = bank.mT @ amplitudes(torch.nn.functional.pad(sound, (0, -sound.shape[-1] % 256)))
    theirs = of_torchaudio(bands, bank, one.iterations)[..., : sound.shape[-1]]
    ours = round_trip(one, VOICES) / 32768
    assert convergence(ours, sound) < convergence(theirs, sound) < 0.5

    def distance(made):
        a, b = (bank.mT @ amplitudes(x) + one.bands.floor for x in (made, sound))
        return (20 * (a / b).log10()).square().mean().sqrt().item()

    assert distance(ours) < 0.9 * distance(theirs)


def test_the_level_stays_within_a_decibel():
    for level in (0.003, 0.03, 0.25):
        raw = torch.cat([voice(1.0, pitch, level=level) for pitch in (110, 220)])
        back = round_trip(fitted(Batch(raw)), raw)
        gain = (
            20
            * (
                back.float().square().mean((1, 2)).sqrt() / raw.float().square().mean((1, 2)).sqrt()
            ).log10()
        )
        assert gain.abs().max() < 1


def test_loud_chords_keep_their_level_too():
    """Whose partials, in other phases, would exceed full scale and have the whole turned down."""
    t = torch.arange(RATE) / RATE
    tones = [
        sum(torch.sin(2 * math.pi * hz * k * t + 2 * k * k) / k for k in range(1, 9))
        for hz in (220, 277.2, 329.6, 440)
    ]
    chord = (sum(tones) * torch.sin(math.pi * t)).reshape(1, 1, -1)
    raw = (chord / chord.abs().max() * 0.85 * 32768).round().to(torch.int16)
    back = round_trip(fitted(Batch(raw)), raw)
    assert back.abs().max() <= 32767
    assert abs(20 * (back.float().norm() / raw.float().norm()).log10()) < 1


@pytest.mark.parametrize("pitch", [220, 311, 440, 622, 880])
def test_the_pitch_of_a_note_stays(pitch):
    t = torch.arange(RATE) / RATE
    note = sum(0.2 / k * torch.sin(2 * math.pi * pitch * k * t) for k in range(1, 5))[
        None, None
    ] * torch.exp(-2 * t)
    raw = (note * 32768).round().to(torch.int16)
    back = round_trip(fitted(Batch(raw)), raw).float()[0, 0, 2000:10_000]
    spectrum = torch.fft.rfft(back * torch.hann_window(8000), 64_000).abs()
    low, high = (round(pitch * f * 64_000 / RATE) for f in (0.8, 1.25))
    found = (spectrum[low:high].argmax() + low).item() * RATE / 64_000
    assert found == pytest.approx(pitch, rel=0.02)


def test_silence_stays_silent():
    one = fitted(Batch(VOICES))
    assert round_trip(one, torch.zeros(1, 1, 5000, dtype=torch.int16)).abs().max() <= 1


def test_loud_wishes_are_turned_down_not_clipped():
    one = fitted(Batch(VOICES))
    x = one.encode(Batch(VOICES)).x
    back = one.decode(Batch(x + 5)).x
    assert back.abs().amax((1, 2)).max() <= 32767
    assert (back.abs() >= 32700).float().mean() < 1e-4


def test_the_same_sample_is_made_whatever_the_generator_and_the_neighbours():
    one = fitted(Batch(VOICES), iterations=8)
    x = one.encode(Batch(VOICES)).x
    torch.manual_seed(1)
    together = one.decode(Batch(x)).x
    state = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(one.decode(Batch(x[1:2])).x, together[1:2])
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), state)  # and nothing was drawn


def test_both_sides_of_a_mono_recording_stay_the_same():
    mono = VOICES.expand(-1, 2, -1)
    back = round_trip(fitted(Batch(mono), iterations=4), mono)
    assert torch.equal(back[:, 0], back[:, 1])


# --- padding


@pytest.mark.parametrize("samples", [1, 255, 256, 3001, 5000])
def test_padding_changes_nothing(samples):
    one = fitted(Batch(VOICES), iterations=4)
    raw, mask = VOICES[:1, :, :5000], torch.arange(5000).expand(1, 1, -1) < samples
    padded, alone = one.encode(Batch(raw, mask=mask)), one.encode(Batch(raw[..., :samples]))
    real = alone.x.shape[-1]
    assert padded.mask.shape == (1, 1, 1, padded.x.shape[-1])
    assert padded.mask.flatten().tolist() == [True] * real + [False] * (padded.x.shape[-1] - real)
    torch.testing.assert_close(padded.x[..., :real], alone.x)
    assert padded.x[..., real:].abs().sum() == 0

    back, back_alone = one.decode(padded), one.decode(alone.with_x(padded.x[..., :real]))
    n = back_alone.x.shape[-1]
    assert n >= samples
    assert torch.equal(back.x[..., :n], back_alone.x)
    assert back.x[..., n:].abs().sum() == 0
    assert back.mask.flatten().tolist() == [True] * n + [False] * (back.x.shape[-1] - n)


def test_padding_does_not_count_in_the_statistics():
    raw, mask = (
        VOICES[..., :5120],
        torch.arange(5120).expand(3, 1, -1) < torch.tensor([5120, 2560, 256])[:, None, None],
    )
    padded = fitted(Batch(raw, mask=mask))
    alone = fitted(Batch(raw[:1]), Batch(raw[1:2, :, :2560]), Batch(raw[2:, :, :256]))
    torch.testing.assert_close(padded.mean, alone.mean)
    torch.testing.assert_close(padded.std, alone.std)


# --- settings that cannot be obeyed


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mels": 300, "window": 512}, "Take fewer bands or a longer window"),
        ({"high": 9000}, "holds 0 to 8000 Hz"),
        ({"low": 5000, "high": 4000}, "Set low below high"),
        ({"hop": 512, "window": 600}, "take at least 1024"),
    ],
)
def test_impossible_settings_are_refused_with_what_to_do(options, said):
    with pytest.raises(UsageError, match=said):
        built(**options)
