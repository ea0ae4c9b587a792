"""What auto makes of a folder of videos."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from difftool import DataError, Item, readable
from difftool_video.decode import Header, header
from difftool_video.measure import auto_channels, auto_fps, auto_frames, coloured, frames_at, settle
from difftool_video.options import VideoOptions

from .conftest import levels, moving, read, save, save_pictures


def seen(
    rate: float = 30.0, seconds: float = 4.0, height: int = 48, width: int = 64, frames: int = 0
) -> Header:
    return Header(height, width, rate, seconds, "rgb", frames)


@pytest.mark.parametrize(
    ("rate", "fps"),
    [
        (8, 8),
        (10, 10),
        (15, 15),
        (16, 8),
        (24, 12),
        (23.976, 12),
        (25, 12.5),
        (29.97, 15),
        (30, 15),
        (50, 12.5),
        (60, 15),
        (59.94, 15),
        (240, 15),
    ],
)
def test_the_rate_is_divided_by_the_smallest_whole_number(rate, fps):
    assert auto_fps([seen(rate)]) == pytest.approx(fps)


def test_the_rate_is_that_of_most_videos():
    assert auto_fps([seen(24)] * 3 + [seen(30)] * 2 + [seen(0.0)] * 9) == 12
    assert auto_fps([seen(29.97)] * 2 + [seen(30)] * 2 + [seen(24)] * 3) == 15


def test_pictures_have_no_rate():
    assert auto_fps([seen(0.0, 0.0, frames=20)]) == 8


def test_frames_are_those_of_the_longest_and_at_most_sixteen():
    assert auto_frames([seen(30, 1.0), seen(30, 0.5)], 15) == 15
    assert auto_frames([seen(30, 60.0)], 15) == 16
    assert auto_frames([seen(0.0, 0.0, frames=9), seen(30, 0.2)], 15) == 9
    assert auto_frames([seen(30, 0.01)], 15) == 2
    assert auto_frames([seen(30, 0.0)], 15) == 16  # a length that is not told may be any


@pytest.mark.parametrize("fps", [3, 5, 7, 10, 20])
@pytest.mark.parametrize("n", [1, 2, 5, 12, 13])
def test_frames_at_a_rate_are_as_many_as_are_read(tmp_path, fps, n):
    path = save(tmp_path / "a.mkv", levels(n), pix_fmt="bgr0")
    (one,) = readable(header, [Item(path)])
    assert frames_at(one, fps) == len(read(path, fps=float(fps), shortest=1))


def test_channels_are_grey_where_nothing_shows_a_colour(tmp_path):
    grey = [Item(save(tmp_path / f"{k}.mp4", levels(8))) for k in range(3)]
    assert auto_channels(grey) == "grey"
    colour = Item(save(tmp_path / "colour.mp4", moving(8)))
    assert auto_channels([*grey, colour]) == "rgb"
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 100)
    assert auto_channels([*grey, Item(tmp_path / "bad.mp4")]) == "grey"


def test_a_video_that_begins_in_black_and_white_and_goes_on_in_colour(tmp_path):
    frames = np.concatenate([levels(6), moving(6)])
    assert auto_channels([Item(save(tmp_path / "a.mp4", frames, g="3"))]) == "rgb"


def test_a_tinge_is_a_colour_and_what_compression_adds_is_none():
    grey = np.full((8, 8, 3), 100, np.uint8)
    assert not coloured(Image.fromarray(grey))
    assert not coloured(Image.fromarray(grey[..., 0]))
    grey[2, 2] = (100, 104, 100)
    assert not coloured(Image.fromarray(grey))
    grey[2, 2] = (100, 130, 100)
    assert coloured(Image.fromarray(grey))


def test_settling_fills_in_what_is_auto_and_nothing_else(tmp_path):
    items = [
        Item(save(tmp_path / "a.mp4", moving(12))),
        Item(save_pictures(tmp_path / "b", moving(30))),
    ]
    assert settle(VideoOptions(), items) == {
        "size": (24, 32),
        "channels": "rgb",
        "fps": 10.0,
        "frames": 16,
    }
    assert settle(VideoOptions(size=8, fps=5, frames=4, channels="grey"), items) == {}
    assert settle(VideoOptions(size=8, channels="grey", fps=5), items[:1]) == {"frames": 6}


def test_unreadable_files_do_not_decide(tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"\0" * 100)
    items = [Item(tmp_path / "bad.mp4"), Item(save(tmp_path / "a.mp4", moving(12)))]
    assert settle(VideoOptions(), items)["fps"] == 10.0
    with pytest.raises(DataError, match=r"bad.mp4 is not a video"):
        settle(VideoOptions(), items[:1])
