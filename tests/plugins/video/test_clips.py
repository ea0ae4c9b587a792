"""Random parts of videos, and which of their frames are given."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_video.clips import clips
from difftool_video.given import draw, ends, most


def counting(n: int) -> np.ndarray:
    """uint8 ``[n, 1, 2, 2]``: frame k is k + 1 everywhere."""
    return np.broadcast_to(np.arange(1, n + 1, dtype=np.uint8)[:, None, None, None], (n, 1, 2, 2))


def test_a_clip_is_a_part_in_order_and_every_place_is_as_likely():
    uniform = (np.arange(2600) + 0.5) / 2600
    x, lengths = clips([counting(30)] * 2600, 5, uniform)
    first = x[:, 0, 0, 0, 0]
    assert (lengths == 5).all()
    assert np.array_equal(x[:, :, 0, 0, 0], first[:, None] + np.arange(5))
    assert np.array_equal(np.unique(first, return_counts=True)[1], np.full(26, 100))


def test_a_short_one_is_all_there_with_nothing_after_it():
    x, lengths = clips([counting(3), counting(9)], 5, np.asarray([0.99, 0.99]))
    assert lengths.tolist() == [3, 5]
    assert x[0, :, 0, 0, 0].tolist() == [1, 2, 3, 0, 0]
    assert x[1, :, 0, 0, 0].tolist() == [5, 6, 7, 8, 9]


def test_videos_are_not_changed():
    video = counting(9).copy()
    x, _ = clips([video], 9, np.zeros(1))
    x += 1
    assert np.array_equal(video, counting(9))


@pytest.mark.parametrize("kind", ["first", "ends"])
@pytest.mark.parametrize("frames", [2, 3, 7, 16])
def test_half_of_the_clips_show_some_frames_and_never_all(kind, frames):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, frames + 1, 4000)
    given = draw(lengths, frames, kind, rng.random((4000, 4)))
    real = np.arange(frames) < lengths[:, None]
    assert not (given & ~real).any()
    assert (given.sum(1) < lengths).all()
    able = lengths > 2
    if able.any():
        assert np.mean(given[able].any(1)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("kind", "last"), [("first", False), ("ends", True)])
def test_the_first_frames_are_given_and_the_last_ones_when_it_is_filled_in_between(kind, last):
    rng = np.random.default_rng(0)
    given = draw(np.full(4000, 16), 16, kind, rng.random((4000, 4)))
    shown = given[given.any(1)]
    assert shown[:, 0].all()
    changes = np.abs(np.diff(shown.astype(int), axis=1)).sum(1)
    assert set(changes) == ({1, 2} if last else {1})
    assert shown[:, -1].any() == last
    leading = shown[changes == 1].sum(1)
    assert (leading.min(), leading.max()) == (1, most(16, "first"))
    if last:
        assert shown[changes == 2].sum(1).max() == 2 * most(16, "ends")


def test_ends_of_clips_of_any_length():
    made = ends(np.asarray([2, 0, 1]), np.asarray([1, 2, 0]), np.asarray([5, 3, 4]), 5)
    assert made.astype(int).tolist() == [[1, 1, 0, 0, 1], [0, 1, 1, 0, 0], [1, 0, 0, 0, 0]]
