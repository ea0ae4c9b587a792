"""Parts of recordings for a batch, and silence."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
import torch

from difftool import Stream, Streams
from difftool_audio.crop import KEPT, SILENT, TRIES, crops, silent, trimmed

from .conftest import RATE

LENGTH = 100


def counting(n: int, channels: int = 1) -> np.ndarray:
    """int16 ``[channels, n]`` in which every sample tells its place, from 1."""
    return np.repeat(np.arange(1, n + 1, dtype=np.int16)[None], channels, 0)


def cut(examples, length: int = LENGTH, step: int = 0, silence: str = "keep"):
    return crops(examples, length, Stream(0, "collate", step), silence)


def test_parts_are_where_they_say_and_nothing_is_padded():
    x, mask, starts, totals = cut([counting(1000), counting(100), counting(101)])
    assert x.dtype == np.int16
    assert x.shape == (3, 1, LENGTH)
    assert mask is None
    assert totals.tolist() == [1000, 100, 101]
    assert x[:, 0, 0].tolist() == (starts + 1).tolist()
    assert (np.diff(x, axis=2) == 1).all()


def test_short_ones_are_padded_at_the_end_and_the_mask_says_so():
    x, mask, starts, _ = cut([counting(30, 2), counting(300, 2)])
    assert mask is not None
    assert mask.dtype == bool
    assert mask.shape == (2, 1, LENGTH)
    assert mask.sum((1, 2)).tolist() == [30, LENGTH]
    assert np.array_equal(x[0, :, :30], counting(30, 2))
    assert not x[0, :, 30:].any()
    assert starts[0] == 0


def test_every_place_is_drawn_equally_often():
    starts = np.concatenate([cut([counting(LENGTH + 9)] * 100, step=step)[2] for step in range(40)])
    counts = np.bincount(starts, minlength=10)
    assert len(counts) == 10
    assert np.abs(counts / 400 - 1).max() < 0.2


def test_an_array_of_equal_ones_is_taken_as_well():
    examples = [counting(250), counting(250)[:, ::-1]]
    one, other = cut(examples), cut(np.stack(examples))
    assert np.array_equal(one[0], other[0])


def test_draws_depend_on_the_stream_alone():
    examples = [counting(1000 + i) for i in range(4)]
    assert np.array_equal(cut(examples)[2], cut(examples)[2])
    assert not np.array_equal(cut(examples)[2], cut(examples, step=1)[2])
    alone = [
        crops(examples[i : i + 1], LENGTH, Streams(0, "collate", [i]), "skip")[2][0]
        for i in range(4)
    ]
    assert crops(examples, LENGTH, Streams(0, "collate", range(4)), "skip")[2].tolist() == alone


def test_the_last_place_is_in_reach_and_none_past_it(monkeypatch):
    stream = Stream(0, "collate")
    monkeypatch.setattr(stream, "uniform", lambda shape: torch.full(tuple(shape), 1 - 2**-24))
    assert crops([counting(1000)], LENGTH, stream, "keep")[2].tolist() == [900]


# --- silence ---------------------------------------------------------------------------------------------------------


def half_silent(n: int = 1000) -> np.ndarray:
    x = np.zeros((1, n), np.int16)
    x[:, n // 2 :] = 1000 * np.sign(np.sin(np.arange(n - n // 2)))
    return x


def test_silent_parts_are_drawn_again():
    many = [half_silent()] * 200
    kept, skipped = (
        np.mean([silent(part) for part in cut(many, silence=mode)[0]]) for mode in ("keep", "skip")
    )
    assert abs(kept - 0.45) < 0.1
    assert skipped < 0.45**TRIES + 0.05


def test_of_silent_parts_alone_the_loudest_is_taken():
    x = np.zeros((1, 1000), np.int16)
    x[:, ::2] = np.linspace(0, SILENT, 500).astype(np.int16)
    choices = [cut([x], step=i, silence="keep")[2][0] for i in range(50)]
    loudest = [cut([x], step=i, silence="skip")[2][0] for i in range(50)]
    assert np.mean(loudest) > np.mean(choices) + 100


def test_a_constant_offset_is_silence_and_a_faint_sound_is_none():
    assert silent(np.full((2, 100), 5000, np.int16))
    assert silent(np.array([[-SILENT, SILENT]], np.int16))
    assert not silent(np.array([[-SILENT, SILENT + 1]], np.int16))
    assert not silent(np.array([[0, 0], [-32767, 32767]], np.int16))


def test_silent_ends_are_cut_off_but_for_a_little():
    x = np.zeros((2, RATE), np.int16)
    x[1, 5000:9000] = 3000 * np.sign(np.sin(np.arange(4000) + 0.5))
    kept = round(KEPT * RATE)
    got = trimmed(x, RATE)
    assert np.array_equal(got, x[:, 5000 - kept : 9000 + kept])
    assert np.array_equal(trimmed(got, RATE), got)


def test_a_silence_within_is_kept_and_a_noise_floor_is_not():
    x = np.random.default_rng(0).integers(-15, 16, (1, RATE)).astype(np.int16)
    x[:, 3000:4000] = x[:, 9000:10_000] = 20_000
    assert trimmed(x, RATE).shape == (1, 7000 + 2 * round(KEPT * RATE))
    assert trimmed(np.zeros((1, 100), np.int16), RATE).shape == (1, 0)


@pytest.mark.parametrize("n", [1, LENGTH - 1, LENGTH, LENGTH + 1])
@pytest.mark.parametrize("silence", ["skip", "trim", "keep"])
def test_any_length(n, silence):
    x, mask, _, _ = cut([counting(n)], silence=silence)
    assert np.array_equal(
        x[0, 0, : min(n, LENGTH)], np.arange(1, min(n, LENGTH) + 1) + (x[0, 0, 0] - 1)
    )
    assert (mask is None) == (n >= LENGTH)


def test_only_the_part_of_a_long_recording_is_touched(tmp_path):
    """A memory map of 256 MB: its pages come into memory where they are read, and nowhere else."""
    path = tmp_path / "long.bin"
    with open(path, "wb") as file:
        file.truncate(1 << 28)
    long = np.memmap(path, np.int16, "r").reshape(1, -1)
    before = resident()
    for step in range(5):
        cut([long], 16_384, step, "skip")
    assert resident() - before < 32 << 20


def resident() -> int:
    return int(psutil.Process().memory_info().rss)
