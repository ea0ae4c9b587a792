"""Every format, rate and number of channels -> int16 [c, n], and what is refused."""

from __future__ import annotations

import os
import struct
from contextlib import suppress

import numpy as np
import pytest
import torch

from difftool import DataError
from difftool.data import spool
from difftool.data.remark import remarks
from difftool_audio import decode as module
from difftool_audio import rate as rates
from difftool_audio.decode import (
    DULL,
    GAINS,
    HALF,
    PLACES,
    Header,
    decode,
    header,
    mixing,
)
from difftool_audio.lazy import torchaudio
from difftool_audio.rate import ratio_of, resample, resampled

from .conftest import RATE, save, tone, write_tone

NOISE = np.random.default_rng(0).normal(0, 0.1, (1, 40_000)).astype(np.float32)

LOSSLESS = {
    "a.wav": {},
    "a.flac": {},
    "a.aiff": {},
    "a.AIF": {"format": "AIFF"},
    "a.aifc": {"format": "AIFF"},
    "a.au": {},
    "a.caf": {},
    "alac.caf": {"format": "CAF", "subtype": "ALAC_16"},
    "a.w64": {},
    "a.rf64": {"format": "RF64"},
    "sphere.wav": {"format": "NIST"},
}
LOSSY = {
    "a.mp3": {},
    "a.ogg": {},
    "a.oga": {"format": "OGG"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
}


def said(path, rate: int = RATE, channels: int = 1) -> tuple[np.ndarray, list[str]]:
    """The sound, and what was remarked on."""
    with remarks() as texts:
        return decode(path, rate, channels), texts


# --- formats and bits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSLESS)
def test_sixteen_bits_are_kept_exactly(tmp_path, name):
    x = np.random.default_rng(1).integers(-32767, 32768, (1, 5000), np.int16)
    path = save(tmp_path / name, x, **LOSSLESS[name])
    got, texts = said(path)
    assert got.dtype == np.int16
    assert np.array_equal(got, x)
    assert texts == []
    assert header(path) == Header(RATE, 1, 5000)


@pytest.mark.parametrize("name", LOSSY)
def test_compressed_sound_is_the_same_sound(tmp_path, name):
    x = tone(1.0)
    got, texts = said(save(tmp_path / name, x, **LOSSY[name]))
    assert got.shape == x.shape
    middle = slice(2000, -2000)
    assert np.corrcoef(got[0, middle], x[0, middle])[0, 1] > 0.99
    assert texts == []


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_24", 2**-15),
        ("PCM_32", 2**-15),
        ("FLOAT", 2**-15),
        ("DOUBLE", 2**-15),
    ],
)
def test_other_depths_are_rounded(tmp_path, subtype, step):
    x = tone()
    got, _ = said(save(tmp_path / "a.wav", x, subtype=subtype))
    assert np.abs(got / 32768 - x).max() <= step


def test_the_lowest_value_is_raised_by_one_and_nothing_else_changes(tmp_path):
    x = np.array([[-32768, -32767, 32767, 1, -1, 1000]], np.int16)
    got, texts = said(save(tmp_path / "a.wav", x))
    assert got.tolist() == [[-32767, -32767, 32767, 1, -1, 1000]]
    assert texts == []


def test_what_passes_full_scale_is_turned_down_as_a_whole(tmp_path):
    x = tone(level=1.5)
    got, texts = said(save(tmp_path / "a.wav", x, subtype="FLOAT"))
    assert np.abs(got).max() == 32767
    assert np.abs(got / 32768 - x / 1.5).max() < 1e-4
    assert texts == []


def test_samples_in_other_units_are_told_of(tmp_path):
    x = tone(level=20_000.0)
    got, texts = said(save(tmp_path / "a.wav", x, subtype="FLOAT"))
    assert np.corrcoef(got[0], x[0])[0, 1] > 0.9999
    assert texts == ["its samples go beyond 2 times full scale: turned down to fit"]


def test_blocks_are_shown_as_they_are_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 1000)
    x = tone(0.25, hz=(300, 500), channels=2)
    blocks: list[np.ndarray] = []
    whole = decode(save(tmp_path / "a.wav", x, subtype="FLOAT"), 8000, 1, blocks.append)
    assert [len(block) for block in blocks] == [1000] * 4
    assert np.array_equal(np.concatenate(blocks).T, x)
    assert whole.shape == (1, 2000)


# --- channels --------------------------------------------------------------------------------------------------------


def test_mono_is_the_mean_and_stereo_is_kept(tmp_path):
    x = tone(hz=(300, 500), channels=2)
    path = save(tmp_path / "a.wav", x)
    assert np.abs(decode(path, RATE, 1)[0] - 32768 * x.mean(0)).max() < 2
    assert np.abs(decode(path, RATE, 2) - 32768 * x).max() < 2


def test_mono_becomes_two_equal_channels(tmp_path):
    x = tone()
    got, texts = said(save(tmp_path / "a.wav", x), channels=2)
    assert got.shape == (2, x.shape[1])
    assert np.array_equal(got[0], got[1])
    assert texts == []


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.w64"])
def test_six_channels_are_mixed_by_their_places(tmp_path, name):
    """ITU-R BS.775: the centre goes to both sides at -3 dB, the surrounds to their own, the low-frequency channel nowhere."""
    x = tone(hz=(300, 500, 700, 50, 900, 1100), channels=6, level=0.1)
    left, right, centre, _, left_back, right_back = x
    got, texts = said(save(tmp_path / name, x), channels=2)
    assert np.abs(got[0] / 32768 - (left + HALF * (centre + left_back))).max() < 1e-3
    assert np.abs(got[1] / 32768 - (right + HALF * (centre + right_back))).max() < 1e-3
    assert texts == ["6 channels, mixed down to stereo"]
    assert said(tmp_path / name)[1] == ["6 channels, mixed down to mono"]


def test_channels_of_unknown_places_count_alike(tmp_path):
    x = tone(hz=(300, 500, 700, 900), channels=4, level=0.2)
    got, texts = said(save(tmp_path / "a.ogg", x, format="AIFF"))
    assert np.abs(got[0] / 32768 - x.mean(0)).max() < 1e-3
    assert "each counted alike" in texts[0]


def test_the_file_s_own_word_on_its_places_counts(tmp_path):
    """A mask of front left, front right, back left and back right instead of the usual four, and one of no places at all."""
    x = tone(hz=(300, 500, 700, 900), channels=4, level=0.2)
    path = save(tmp_path / "a.wav", x, format="WAVEX")
    data = bytearray(path.read_bytes())
    for mask, expected in (
        (0x33, x[0] + HALF * x[2]),
        (0x107, x[0] + HALF * (x[2] + x[3] * HALF)),
        (0, x.mean(0)),
    ):
        data[40:44] = struct.pack("<I", mask)
        path.write_bytes(data)
        got, texts = said(path, channels=2)
        known = "each counted alike" not in texts[0]
        assert known == (mask == 0x33)
        wanted = expected if known else x.mean(0)
        assert np.abs(got[0] / 32768 - wanted).max() < 1e-3


@pytest.mark.parametrize(("count", "places"), PLACES.items())
def test_every_layout_is_symmetric(count, places):
    both = mixing(count, 2, tuple(places.split()))
    assert both.shape == (2, count)
    assert np.allclose(sorted(both[0]), sorted(both[1]))
    assert np.allclose(mixing(count, 1, tuple(places.split())), both.mean(0))
    assert set(places.split()) <= set(GAINS)


# --- rate ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("own", "rate"),
    [(44_100, 16_000), (48_000, 44_100), (22_050, 44_100), (8000, 11_025), (44_056, 44_100)],
)
def test_a_tone_is_the_same_at_another_rate(own, rate):
    hz = 0.4 * min(own, rate)
    got = resample(tone(1.0, own, hz), own, rate)
    assert got.shape == (
        1,
        -(-own * ratio_of(own, rate).numerator // ratio_of(own, rate).denominator),
    )
    assert abs(got.shape[1] - rate) <= 1
    want, middle = tone(1.0, rate, hz), slice(rate // 10, -rate // 10)
    n = min(got.shape[1], rate)
    assert np.abs(got[:, :n] - want[:, :n])[:, middle].max() < (
        2e-4 if own != 44_056 else 0.06
    )  # the nearest ratio of small numbers drifts by a microsecond in a second


@pytest.mark.parametrize("hz", [8200, 12_000, 20_000])
def test_nothing_folds_back(hz):
    got = resample(tone(0.5, 44_100, hz), 44_100, 16_000)
    assert np.abs(got[:, 500:-500]).max() < 0.4 * 1e-4  # 80 dB down


def test_the_treble_that_fits_is_kept():
    got = resample(tone(0.5, 44_100, 7000), 44_100, 16_000)
    assert np.abs(np.abs(got[:, 500:-500]).max() - 0.4) < 0.4 * 0.01


@pytest.mark.parametrize(
    ("own", "rate"), [(44_100, 16_000), (16_000, 44_100), (48_000, 8000), (8000, 48_000)]
)
@pytest.mark.parametrize("n", [1, 50, 30_011])
def test_taking_it_in_pieces_changes_nothing(monkeypatch, own, rate, n):
    x = np.concatenate((NOISE, NOISE[:, ::-1]))[:, :n]
    whole = torchaudio().transforms.Resample(
        own,
        rate,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=64,
        rolloff=0.9475937167399596,
        beta=14.769656459379492,
    )(torch.from_numpy(x))
    monkeypatch.setattr(rates, "CHUNK", 1500)
    found = resample(x, own, rate)
    torch.testing.assert_close(torch.from_numpy(found), whole, atol=1e-6, rtol=0)
    blocks = np.split(x, range(700, n, 700), axis=1)
    assert np.array_equal(np.concatenate(list(resampled(blocks, own, rate)), 1), found)


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.wav")
    os.rename(save(tmp_path / "a.wav", tone(), RATE), path)
    assert decode(path, RATE, 1).shape == (1, len(tone()[0]))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("gain", [0.5, 1.7])
def test_a_long_recording_is_read_a_piece_at_a_time_and_is_the_same(
    tmp_path, monkeypatch, channels, gain
):
    monkeypatch.setenv("DIFFTOOL_CACHE", str(tmp_path / "cache"))
    x = gain * np.stack([tone(1.0, 44_100, hz)[0] for hz in (220, 331)]).astype(np.float32)
    path = save(tmp_path / "a.wav", x, 44_100, subtype="FLOAT")
    monkeypatch.setattr(rates, "CHUNK", 3000)
    whole = decode(path, 16_000, channels)
    monkeypatch.setattr(module, "BLOCK", 1000)
    monkeypatch.setattr(spool, "HELD", 2000)
    pieces = decode(path, 16_000, channels)
    assert isinstance(pieces.base, np.memmap)
    assert np.array_equal(pieces, whole)
    assert list((tmp_path / "cache").iterdir()) == []


def test_no_pair_of_rates_takes_a_filter_of_many_megabytes():
    for own in (8000, 11_127, 22_049, 44_056, 47_999, 192_000):
        for rate in (16_000, 44_100, 48_000):
            ratio = ratio_of(own, rate)
            assert ratio.numerator * ratio.denominator < 5e6
            assert abs(float(ratio) * own / rate - 1) < 1e-4


def test_rates_that_are_nearly_the_same_are_taken_for_the_same():
    assert resample(NOISE, 47_999, 48_000) is NOISE


def test_missing_treble_is_told_of(tmp_path):
    write_tone(tmp_path / "a.wav", rate=8000)
    assert said(tmp_path / "a.wav", 44_100)[1] == [
        "recorded at 8,000 Hz: nothing above 4,000 Hz is in it"
    ]
    assert said(tmp_path / "a.wav", 8000)[1] == []
    write_tone(tmp_path / "b.wav", rate=44_100)
    assert DULL * 48_000 < 44_100
    assert said(tmp_path / "b.wav", 48_000)[1] == []


def test_overshoot_of_the_filter_does_not_clip(tmp_path):
    square = np.sign(tone(0.5, 48_000, 100)) * 0.999
    got = decode(save(tmp_path / "a.wav", square.astype(np.float32), 48_000), 44_100, 1)
    at_top = np.abs(got[0]) == 32767
    assert at_top.any()
    assert not (at_top[1:] & at_top[:-1]).any()  # peaks, not flat tops


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        decode(path, RATE, 1)
    assert str(path) in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("name", [*(name for name in LOSSLESS if name != "sphere.wav"), "a.mp3"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.85])
def test_truncated(tmp_path, name, share):
    path = save(tmp_path / name, NOISE, **{**LOSSLESS, **LOSSY}[name])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    refused(path, "Copy it again" if share > 0.1 else "emove")


@pytest.mark.parametrize("name", ["a.ogg", "a.opus"])
def test_a_stream_without_its_end_is_refused_or_told_of(tmp_path, name):
    """What is left of an Ogg file is a shorter one, as of a stream that was recorded."""
    path = save(tmp_path / name, NOISE, **LOSSY[name])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.8)])
    got, texts = said(path)
    assert 0 < got.shape[1] < NOISE.shape[1]
    assert texts == [
        "its end is not marked as one: it may have been cut short while it was copied or recorded"
    ]
    path.write_bytes(data[: int(len(data) * 0.2)])
    refused(path, "cut short or damaged")


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF - 36, 0x7FFFF000])
def test_a_stream_that_did_not_know_its_length_is_whole(tmp_path, size):
    path = write_tone(tmp_path / "a.wav")
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    data[4:8], data[40:44] = struct.pack("<I", 0xFFFFFFFF), struct.pack("<I", size)
    path.write_bytes(data)
    assert decode(path, RATE, 1).shape == (1, 8000)


def test_a_flac_stream_of_unknown_length(tmp_path):
    path = write_tone(tmp_path / "a.flac")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    path.write_bytes(data)
    refused(path, "how long")


def test_empty_file(tmp_path):
    (tmp_path / "a.wav").touch()
    refused(tmp_path / "a.wav", "0 bytes")


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.au", "a.ogg", "a.aiff"])
@pytest.mark.parametrize("text", ["no sound\n", "<html>Not found: Größe</html>" * 9000])
def test_text(tmp_path, name, text, capfd):
    (tmp_path / name).write_text(text, encoding="utf-8")
    refused(tmp_path / name, "is text, not sound")
    assert capfd.readouterr().err == ""  # nor does a decoder grumble


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.au", "a.ogg", "a.aiff"])
def test_anything_else(tmp_path, name):
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(20_000))
    refused(tmp_path / name, "not sound")


def test_a_header_with_nothing_after_it(tmp_path):
    refused(save(tmp_path / "a.wav", NOISE[:, :0]), "holds no sound")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_no_numbers(tmp_path, value, channels):
    x = np.repeat(NOISE, channels, 0)
    x[channels // 2, 4000] = value
    refused(save(tmp_path / "a.wav", x, subtype="FLOAT"), "NaN or infinite", "0.250 s")


def test_numbers_that_overflow_when_mixed(tmp_path):
    refused(
        save(tmp_path / "a.wav", np.full((6, 1000), 3e38, np.float32), subtype="FLOAT"), "too large"
    )


def test_a_rate_that_is_none(tmp_path):
    refused(save(tmp_path / "a.wav", NOISE, 50), "50 samples per second")


def test_missing(tmp_path):
    refused(tmp_path / "a.wav", "does not exist")


def test_unreadable(tmp_path, monkeypatch):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("difftool.data.binary._refuse_text", denied)
    refused(write_tone(tmp_path / "a.wav"), "permission denied")


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_damage_is_a_data_error_or_still_sound(tmp_path, name):
    """Bytes changed at random, in the header and after it: no other exception, and never a number out of range."""
    rng, path = (
        np.random.default_rng(2),
        save(tmp_path / name, NOISE[:, :9000], **{**LOSSLESS, **LOSSY}[name]),
    )
    data = path.read_bytes()
    for i in range(12):
        damaged = np.frombuffer(data, np.uint8).copy()
        damaged[rng.integers(0, 60 if i % 2 else len(data), 6)] = rng.integers(0, 256, 6)
        path.write_bytes(damaged.tobytes())
        with suppress(DataError):
            got = decode(path, RATE, 1)
            assert got.dtype == np.int16
            assert got.min() >= -32767


@pytest.mark.parametrize("rate", [200, 655_350])
def test_rates_of_instruments_other_than_ears_are_read(tmp_path, rate):
    path = save(tmp_path / "a.wav", tone(1.0, rate, rate / 40), rate)
    assert header(path).rate == rate
    assert decode(path, rate, 1).shape == (1, rate)
