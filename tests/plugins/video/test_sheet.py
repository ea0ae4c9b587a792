"""The contact sheet: every frame at its place, sharp, and never too large to look at."""

from __future__ import annotations

import numpy as np
import pytest

from difftool_image.grid import GAP, SIDE
from difftool_video.sheet import FEWEST, MOST, SEAM, chosen, sheet


def numbered(
    t: int, channels: int = 3, height: int = 8, width: int = 12, first: int = 0
) -> np.ndarray:
    """uint8 ``[t, c, h, w]``: frame k is plain, of the grey ``first + k``."""
    values = (first + np.arange(t)).astype(np.uint8)
    return np.broadcast_to(values[:, None, None, None], (t, channels, height, width))


def frames_of(picture: np.ndarray, top: int, height: int, width: int) -> list[int]:
    """The greys of the frames in the row that begins at ``top``, from the left; 255 is paper."""
    middle = picture[top + height // 2, GAP + width // 2 :: width + SEAM]
    return middle[:, 0].tolist()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_row_is_a_clip_from_its_first_frame_to_its_last(channels):
    clips = [numbered(5, channels, first=10), numbered(5, channels, first=50)]
    picture = np.asarray(sheet(clips))
    scale = 8
    height, width = 8 * scale, 12 * scale
    assert picture.shape == (GAP + 2 * (height + GAP), GAP + 5 * (width + SEAM) - SEAM + GAP, 3)
    assert frames_of(picture, GAP, height, width) == [10, 11, 12, 13, 14]
    assert frames_of(picture, 2 * GAP + height, height, width) == [50, 51, 52, 53, 54]


def test_every_pixel_is_a_sharp_square():
    clip = np.random.default_rng(0).integers(0, 200, (3, 3, 8, 12), np.uint8)
    picture = np.asarray(sheet([clip]))
    for k, frame in enumerate(clip):
        left = GAP + k * (12 * 8 + SEAM)
        cell = picture[GAP : GAP + 64, left : left + 96]
        assert np.array_equal(cell, frame.transpose(1, 2, 0).repeat(8, 0).repeat(8, 1))


def test_shorter_clips_end_sooner():
    picture = np.asarray(sheet([numbered(6), numbered(2, first=100)]))
    assert frames_of(picture, GAP, 64, 96) == [0, 1, 2, 3, 4, 5]
    assert frames_of(picture, 2 * GAP + 64, 64, 96) == [100, 101, 255, 255, 255, 255]


def test_of_long_clips_frames_are_evenly_chosen():
    picture = np.asarray(sheet([numbered(200)]))
    greys = frames_of(picture, GAP, 64, 96)
    assert greys == chosen(200, MOST)


@pytest.mark.parametrize("most", [2, 8, 16])
@pytest.mark.parametrize("n", [1, 2, 7, 16, 17, 100, 3001])
def test_chosen_frames_are_the_first_the_last_and_evenly_between(n, most):
    found = chosen(n, most)
    assert len(found) == min(n, most)
    assert (found[0], found[-1]) == (0, n - 1)
    steps = np.diff(found)
    assert steps.size == 0 or (steps.min() >= 1 and steps.max() - steps.min() <= 1)


def test_clips_of_different_sizes_share_a_scale():
    small, large = numbered(2, height=8, width=8), numbered(2, height=16, width=16, first=100)
    picture = np.asarray(sheet([small, large]))
    assert (picture == 0).all(2).sum() * 4 == (picture == 100).all(2).sum()


def test_titles_stand_below_and_change_nothing_else():
    clips = [numbered(3, first=10), numbered(3, first=20)]
    plain, titled = (
        np.asarray(sheet(clips, titles))
        for titles in ((), ["colour red", "a very long title " * 30])
    )
    line = (titled.shape[0] - plain.shape[0]) // 2
    assert 10 <= line <= 30
    assert titled.shape[1] == plain.shape[1]
    for i in range(2):
        top = GAP + i * (64 + line + GAP)
        assert np.array_equal(titled[top : top + 64], plain[GAP + i * (64 + GAP) :][:64])
        below = titled[top + 64 : top + 64 + line]
        assert below.min() < 128
        assert below[:, : GAP - 1].min() == below[:, -GAP + 1 :].min() == 255


@pytest.mark.parametrize(
    "shape", [(16, 3, 32, 32), (300, 1, 128, 128), (24, 3, 480, 854), (5, 3, 20, 300), (2, 3, 1, 1)]
)
@pytest.mark.parametrize("n", [1, 3, 16, 64])
def test_sheets_are_of_a_size_to_look_at(n, shape):
    """Gaps and titles come on top of what the frames may take."""
    assert max(sheet([np.zeros(shape, np.uint8)] * n, ["title"] * n).size) <= 1.6 * SIDE


def test_many_clips_are_laid_out_beside_each_other():
    width, height = sheet([np.zeros((16, 3, 32, 32), np.uint8)] * 64).size
    assert 0.5 < width / height < 2


def test_of_large_frames_fewer_are_shown():
    picture = np.asarray(sheet([numbered(100, height=256, width=256)]))
    assert picture.shape[1] == 2 * GAP + FEWEST * (256 + SEAM) - SEAM
