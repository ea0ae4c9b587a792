"""Sound that PyAV reads: AAC in .m4a, streams of AAC, WavPack, more than two channels."""

from __future__ import annotations

import numpy as np
import pytest

from difftool import DataError
from difftool.data.remark import remarks
from difftool_audio.decode import decode, header
from difftool_audio.packed import PACKED

av = pytest.importorskip("av")

RATE = 16_000
X = 0.5 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)


def _written(path, codec, container=None, layout="mono"):
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=RATE)
        stream.layout = layout
        context = stream.codec_context
        rows = np.stack([X] * len(stream.layout.channels))
        frame = av.AudioFrame.from_ndarray(rows, format="fltp", layout=layout)
        frame.sample_rate = RATE
        fitting = av.AudioResampler(
            format=context.format, layout=layout, rate=RATE, frame_size=context.frame_size or None
        )
        for piece in [*fitting.resample(frame), *fitting.resample(None), None]:
            out.mux(stream.encode(piece))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("a.m4a", "aac", None),
        ("a.M4A", "alac", "ipod"),
        ("a.aac", "aac", "adts"),
        ("a.wv", "wavpack", None),
        ("a.mka", "aac", "matroska"),
    ],
)
def test_what_libsndfile_does_not_read(tmp_path, name, codec, container):
    path = _written(tmp_path / name, codec, container)
    assert header(path).rate == RATE
    assert header(path).seconds == pytest.approx(1, abs=0.15)  # AAC begins and ends on a frame
    (x,) = decode(path, RATE, 1) / 32767
    assert len(x) == pytest.approx(RATE, abs=2048)
    middle = x[4000:12000]
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)
    assert np.abs(np.fft.rfft(middle)).argmax() == 220  # 440 Hz in half a second


def test_channels_are_mixed_by_their_places(tmp_path):
    path = _written(tmp_path / "a.m4a", "aac", layout="5.1")
    with remarks() as texts:
        left, right = decode(path, RATE, 2)
    assert texts == ["6 channels, mixed down to stereo"]
    assert np.abs(left.astype(float) - right).mean() < 50  # AAC is lossy


@pytest.mark.parametrize("suffix", PACKED)
def test_what_is_no_sound_is_named(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(DataError, match=f"a{suffix}"):
        decode(path, RATE, 1)


def test_one_that_is_cut_short_is_named_or_read_as_far_as_it_goes(tmp_path):
    path = _written(tmp_path / "a.m4a", "aac")
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(DataError, match=r"a\.m4a is cut short"):
        decode(path, RATE, 1)
