"""Video files: what is written is read back, in time and in colour, with its provenance, and nothing is ever overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from difftool import DifftoolError, UsageError
from difftool_video import write as module
from difftool_video.write import delays, encoder, write

FORMATS = ["mp4", "gif"]


def moving(t: int = 12, height: int = 48, width: int = 64, channels: int = 3) -> np.ndarray:
    """uint8 ``[t, c, h, w]``: a disc that crosses a smooth ground."""
    y, x = np.mgrid[:height, :width].astype(float)
    ground = np.stack(
        [
            110 + 60 * np.sin((x + 2 * y) / 25 + c) + 20 * np.cos((3 * x - y) / 30 - c)
            for c in range(3)
        ]
    )
    frames = []
    for k in range(t):
        share = np.clip(9 - np.hypot(x - 12 - 3 * k, y - 20 - k), 0, 1)
        frames.append(ground * (1 - share) + np.array([200, 170, 120])[:, None, None] * share)
    return np.stack(frames)[:, :channels].round().astype(np.uint8)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def read(path: Path) -> np.ndarray:
    """uint8 ``[t, 3, h, w]``, as any reader of FFmpeg sees it."""
    with av.open(str(path)) as container:
        return np.stack(
            [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        ).transpose(0, 3, 1, 2)


def times(path: Path) -> tuple[list[float], float]:
    """When frames begin, and how long the whole is, in seconds."""
    with av.open(str(path)) as container:
        return [
            frame.time for frame in container.decode(video=0)
        ], container.duration / av.time_base


def decibels(found: np.ndarray, asked: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.mean((found.astype(float) - asked) ** 2)))


def planes(path: Path) -> list[list[np.ndarray]]:
    """Brightness and the two of colour, ``[h, w]`` each, of every frame, as they are in the file."""

    def array(plane: av.VideoPlane) -> np.ndarray:
        return np.frombuffer(bytes(plane), np.uint8).reshape(-1, plane.line_size)[
            : plane.height, : plane.width
        ]

    with av.open(str(path)) as container:
        return [[array(plane) for plane in frame.planes] for frame in container.decode(video=0)]


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back(tmp_path, format, channels):
    example = moving(channels=channels)
    path = write(example, 8, tmp_path / "deep" / "000001-a.b", format, {})
    assert path == tmp_path / "deep" / f"000001-a.b.{format}"
    assert list(path.parent.iterdir()) == [path]
    found = read(path)
    assert found.shape == (12, 3, 48, 64)
    assert decibels(found, example) > 36
    assert decibels(found[1:], example[:-1]) < 25  # the next frame is not taken for this one


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "info",
    [
        {"seed": 3, "model": "runs/Käse/model", "class": "二"},
        {"caption": "né" * 50_000},
        {"at": Path("a")},
    ],
)
def test_provenance_is_in_the_file(tmp_path, format, info):
    with av.open(str(write(moving(2), 8, tmp_path / "a", format, info))) as container:
        assert json.loads(container.metadata["comment"]) == json.loads(
            json.dumps(info, default=str)
        )


@pytest.mark.parametrize("format", FORMATS)
def test_an_existing_file_stays_as_it_is(tmp_path, format):
    path = write(moving(), 8, tmp_path / "a", format, {})
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        write(moving() // 2, 8, tmp_path / "a", format, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("format", FORMATS)
def test_what_fails_on_the_way_leaves_nothing(tmp_path, format, monkeypatch):
    writer = module.WRITERS[format]

    def fail(example, fps, path, comment):
        writer(example, fps, path, comment)
        assert path.exists()
        raise KeyboardInterrupt

    monkeypatch.setitem(module.WRITERS, format, fail)
    with pytest.raises(KeyboardInterrupt):
        write(moving(), 8, tmp_path / "a", format, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_the_same_clip_is_the_same_bytes(tmp_path, format):
    """Whatever was in memory before: an encoder that is free to choose differs in a few of these."""
    written = set()
    for i in range(12):
        write(noise(2, 3, 8 + i, 40 + i), 8, tmp_path / f"other{i}", format, {})
        written.add(write(moving(), 8, tmp_path / str(i), format, {"seed": 1}).read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("fps", [0.5, 7.3, 8, 24000 / 1001, 29.97, 50])
def test_frames_are_shown_when_they_should_be(tmp_path, format, fps):
    begins, whole = times(write(noise(9, 3, 8, 8), fps, tmp_path / "a", format, {}))
    error = 0.0051 if format == "gif" else 1e-3
    assert np.allclose(begins, np.arange(9) / fps, rtol=0, atol=error)
    assert whole == pytest.approx(9 / fps, abs=error)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 9), (1, 50), (33, 16)])
@pytest.mark.parametrize("t", [1, 3])
def test_any_size_and_length(tmp_path, format, size, t):
    example = np.repeat(noise(t, 1, 1, 1), size[0], 2).repeat(size[1], 3)
    found = read(write(example, 8, tmp_path / "a", format, {}))
    assert len(found) == t
    assert np.abs(found[:, :, : size[0], : size[1]].astype(int) - example).max() <= 3


# --- MP4 -------------------------------------------------------------------------------------------------------------


def test_an_mp4_is_what_browsers_play(tmp_path):
    path = write(moving(), 8, tmp_path / "a", "mp4", {})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt, stream.average_rate) == (
            "h264",
            "yuv420p",
            8,
        )
        assert stream.profile in ("High", "Main", "Baseline", "Constrained Baseline")
        assert len(container.streams) == 1
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


def test_brightness_is_as_good_as_kept(tmp_path):
    example = moving()
    found = np.stack([y for y, _, _ in planes(write(example, 8, tmp_path / "a", "mp4", {}))])
    asked = 16 + 219 / 255 * np.tensordot([0.2126, 0.7152, 0.0722], example.astype(float), (0, 1))
    assert decibels(found, asked) > 48


@pytest.mark.parametrize(
    "rgb", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)]
)
def test_colours_are_of_the_matrix_that_the_file_names(tmp_path, rgb):
    """The numbers in the file are those of BT.709 in limited range, and that is what its tags say."""
    example = np.broadcast_to(np.array(rgb, np.uint8)[:, None, None], (2, 3, 16, 16))
    path = write(example, 8, tmp_path / "a", "mp4", {})
    r, g, b = np.array(rgb) / 255
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    asked = 16 + 219 * y, 128 + 224 * (b - y) / 1.8556, 128 + 224 * (r - y) / 1.5748
    assert np.allclose([plane.mean() for plane in planes(path)[0]], asked, rtol=0, atol=1.5)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert (frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc) == (
        1,
        1,
        1,
        1,
    )
    assert np.abs(read(path).astype(int) - example).max() <= 4


def test_colour_stays_where_brightness_is(tmp_path):
    """A blue disc is as far to the right in the planes of colour, whose columns are every second one, as in brightness."""
    y, x = np.mgrid[:48, :64].astype(float)
    for centre in (20.0, 20.5, 21.0, 21.5):
        share = np.clip(9 - np.hypot(x - centre, y - 23.5), 0, 1)
        disc = (
            (np.array([40, 40, 40])[:, None, None] + np.array([20, 20, 200])[:, None, None] * share)
            .round()
            .astype(np.uint8)
        )
        path = write(disc[None], 8, tmp_path / str(centre), "mp4", {})
        found = [plane.astype(float) - plane[0, 0] for plane in planes(path)[0][:2]]
        places = [(plane.sum(0) * np.arange(plane.shape[1])).sum() / plane.sum() for plane in found]
        assert (places[0], 2 * places[1]) == pytest.approx((centre, centre), abs=0.06)


def test_odd_sizes_repeat_the_edge(tmp_path):
    example = moving(height=33, width=47)
    found = read(write(example, 8, tmp_path / "a", "mp4", {}))
    assert found.shape[2:] == (34, 48)
    assert decibels(found[..., :33, :47], example) > 36
    assert decibels(found[..., 33, :47], example[..., 32, :]) > 33
    assert decibels(found[..., :33, 47], example[..., :, 46]) > 33


def test_without_an_encoder_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "ENCODERS", {"no-such-encoder": {}})
    with pytest.raises(DifftoolError, match="--format gif"):
        write(moving(2), 8, tmp_path / "a", "mp4", {})
    assert list(tmp_path.iterdir()) == []


def test_the_next_best_encoder_is_taken(monkeypatch):
    monkeypatch.setattr(module, "ENCODERS", {"no-such-encoder": {}, "mpeg4": {}})
    assert encoder() == "mpeg4"


# --- GIF -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("colours", [2, 255, 256])
def test_what_fits_a_palette_is_exact(tmp_path, channels, colours):
    """Frames that change in all pixels, in none, and in a few."""
    rng = np.random.default_rng(colours)
    palette = (
        rng.permutation(256)[:colours].astype(np.uint8)[:, None]
        if channels == 1
        else rng.integers(0, 256, (colours, 3), np.uint8)
    )
    example = palette[rng.integers(0, colours, (6, 20, 24))].transpose(0, 3, 1, 2)
    example[2:4] = example[1]
    example[3, :, 5:7, 5:9] = example[0, :, 5:7, 5:9]
    path = write(example, 10, tmp_path / "a", "gif", {})
    found = read(path)
    shown = [round(10 * begin) for begin in times(path)[0]]
    assert np.array_equal(
        found, np.broadcast_to(example, (6, 3, 20, 24))[shown] if channels == 1 else example[shown]
    )
    assert shown == [0, 1, 3, 4, 5]  # of two frames alike the first is shown for longer
    assert times(path)[1] == pytest.approx(0.6)


def test_more_colours_than_a_palette_holds_stay_close_and_do_not_flicker(tmp_path):
    example = moving()
    assert len(np.unique(example.transpose(0, 2, 3, 1).reshape(-1, 3), axis=0)) > 2 * module.COLOURS
    found = read(write(example, 10, tmp_path / "a", "gif", {}))
    assert decibels(found, example) > 36
    still = (example == example[:1]).all((0, 1))
    assert 0.3 < still.mean() < 0.9
    assert np.array_equal(
        found[:, :, still], np.broadcast_to(found[:1, :, still], found[:, :, still].shape)
    )


def test_a_gif_is_played_again_and_again(tmp_path):
    with Image.open(write(moving(), 8, tmp_path / "a", "gif", {})) as image:
        assert image.info["loop"] == 0


@pytest.mark.parametrize(("fps", "step"), [(51, 2), (60, 2), (100, 2), (120, 3), (1000, 20)])
def test_faster_than_browsers_play_leaves_frames_out(tmp_path, fps, step):
    example = np.arange(120, dtype=np.uint8)[:, None, None, None].repeat(4, 2).repeat(4, 3)
    path = write(example, fps, tmp_path / "a", "gif", {})
    assert np.array_equal(read(path)[:, 0, 0, 0], np.arange(0, 120, step))
    assert times(path)[1] == pytest.approx(120 / fps, abs=0.02)


@pytest.mark.parametrize("fps", [0.3, 3, 8, 12.5, 15, 23.976, 24, 29.97, 30, 45, 49.9, 50])
def test_delays_neither_drift_nor_are_too_short(fps):
    shown = np.array(delays(500, fps))
    assert shown.min() >= module.SHORTEST
    assert np.abs(np.cumsum(shown) - 100 * np.arange(1, 501) / fps).max() <= 0.5 + 1e-9
