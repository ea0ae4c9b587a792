"""Every kind of video -> uint8 [t, c, h, w] at one rate and size, and what is refused."""

from __future__ import annotations

import os
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from difftool import DataError
from difftool_image.resize import resize
from difftool_video import container, decode
from difftool_video.decode import Header, glance, header
from difftool_video.measure import auto_fps
from difftool_video.picture import picture

from .conftest import (
    CODECS,
    HEIGHT,
    RATE,
    WIDTH,
    levels,
    moving,
    read,
    said,
    save,
    save_gif,
    save_pictures,
    save_sound,
    which,
)


def psnr(x: np.ndarray, y: np.ndarray) -> float:
    return 10 * np.log10(255**2 / np.mean((x.astype(float) - y) ** 2))


# --- formats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CODECS)
def test_every_kind_of_file_gives_every_frame(tmp_path, suffix):
    rate = 25 if suffix == ".mpg" else RATE  # MPEG-2 knows few rates
    path = save(
        tmp_path / f"a{suffix}", levels(), rate, pix_fmt="bgr0" if suffix == ".mkv" else "yuv420p"
    )
    x, texts = said(path, rate)
    assert x.dtype == np.uint8
    assert x.shape == (12, 3, HEIGHT, WIDTH)
    assert which(x) == list(range(12))
    assert texts == []
    found = header(path)
    assert found[:3] == (HEIGHT, WIDTH, rate)
    assert (
        abs(found.seconds - 12 / rate) < 1.5 / rate or suffix == ".mpg"
    )  # does not say its length
    assert found.channels == "rgb"


def test_lossless_video_is_kept_exactly(tmp_path):
    frames = moving()
    x, _ = said(save(tmp_path / "a.mkv", frames, pix_fmt="bgr0"))
    assert np.array_equal(x, frames.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("fps", [10, 5, 2.5, 20])
def test_the_rate_is_brought_to_what_is_asked(tmp_path, fps):
    x, texts = said(save(tmp_path / "a.mp4", levels(20)), fps)
    expected = (
        [k for k in range(20) for _ in range(2)]
        if fps == 20
        else list(range(0, 20, round(10 / fps)))
    )
    assert which(x) == expected
    assert bool(texts) == (fps == 20)


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(60)])
@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".flv"])
def test_broadcast_rates_are_halved_exactly(tmp_path, suffix, rate):
    path = save(tmp_path / f"a{suffix}", levels(30), rate)
    assert abs(header(path).rate / float(rate) - 1) < 2e-3
    assert which(said(path, round(rate) / 2)[0]) == list(range(0, 30, 2))


def test_a_variable_rate_is_taken_by_its_times(tmp_path):
    path = save(tmp_path / "a.mp4", levels(6), times=[0, 100, 200, 700, 800, 1500])
    x, texts = said(path, 10)
    assert which(x)[:15] == [0, 1, 2, 2, 2, 2, 2, 3, 4, 4, 4, 4, 4, 4, 4]
    assert set(which(x)[15:]) == {5}
    assert any("its rate varies" in text for text in texts)


def test_b_frames_come_in_the_order_of_display(tmp_path):
    path = save(tmp_path / "a.mp4", levels(24), bf="3", b_adapt="0")
    assert which(said(path)[0]) == list(range(24))
    path = save(tmp_path / "a.avi", levels(24), bf="2", g="12")
    assert which(said(path)[0]) == list(range(24))


def test_an_edit_list_is_heeded(tmp_path):
    """A file whose first frames are there for decoding only: they come before time zero."""
    path = save(tmp_path / "a.mp4", levels(12), times=[100 * (k - 4) for k in range(12)], bf="0")
    assert which(said(path)[0])[-8:] == list(range(4, 12))


def test_gif(tmp_path):
    path = save_gif(tmp_path / "a.gif", list(levels(6)), [100, 100, 300, 100, 100, 200])
    assert which(said(path, 10)[0]) == [0, 1, 2, 2, 2, 3, 4, 5, 5]
    assert header(path)[:2] == (HEIGHT, WIDTH)
    assert header(path).seconds == pytest.approx(0.9)


@pytest.mark.parametrize("fps", [7.5, 8, 12, 15, 25])
def test_the_rate_of_a_gif_is_the_one_that_was_meant(tmp_path, fps):
    """Its times are whole hundredths of a second: at 8 frames a second, 12 and 13 of them in turn."""
    times = [round(100 * k / fps) * 10 for k in range(17)]
    path = save_gif(tmp_path / "a.gif", list(levels(16)), np.diff(times).tolist())
    assert auto_fps([header(path)]) == pytest.approx(fps if fps <= 15 else fps / 2, rel=0.002)
    assert which(said(path, fps)[0]) == list(range(16))


@pytest.mark.parametrize(("background", "value"), [("black", 0), ("white", 255)])
def test_transparency_shows_the_background(tmp_path, background, value):
    frames = []
    for k in range(3):
        one = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
        one[8:16, 4 + 4 * k : 12 + 4 * k] = (200, 100, 0, 255)
        frames.append(one)
    x, texts = said(save_gif(tmp_path / "a.gif", frames), background=background)
    assert len(x) == 3
    assert np.all(x[:, :, 0, 0] == value)
    for k in range(3):
        assert np.abs(x[k, :, 12, 8 + 4 * k].astype(int) - (200, 100, 0)).max() <= 2
        assert np.all(x[k, :, 12, 20 + 4 * k] == value)
    assert texts == [f"transparent in places: {background} shows through"]


def test_transparency_of_webm_shows_the_background(tmp_path):
    frames = np.full((5, HEIGHT, WIDTH, 4), (40, 200, 40, 255), np.uint8)
    frames[:, 12:, 16:] = (200, 40, 200, 0)
    x, texts = said(save(tmp_path / "a.webm", frames, pix_fmt="yuva420p"), background="black")
    assert len(x) == 5
    assert np.abs(x[:, :, 4, 4].astype(int) - (40, 200, 40)).max() < 12
    assert x[:, :, 18, 24].max() < 12
    assert texts == ["transparent in places: black shows through"]


def test_a_name_that_is_not_utf8_is_read(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    os.rename(save(tmp_path / "a.mp4", levels(4)), path)
    assert which(said(path)[0]) == [0, 1, 2, 3]


def test_an_opaque_gif_is_not_reported(tmp_path):
    assert said(save_gif(tmp_path / "a.gif", list(levels(3))))[1] == []


def test_a_single_picture_is_a_clip_of_one_frame(tmp_path):
    frame = moving(1)[0]
    Image.fromarray(frame).save(tmp_path / "a.png")
    assert np.array_equal(said(tmp_path / "a.png")[0], frame.transpose(2, 0, 1)[None])
    assert header(tmp_path / "a.png") == Header(HEIGHT, WIDTH, 0.0, 0.0, "rgb", 1)


# --- colours ---------------------------------------------------------------------------------------------------------

COLOURS = np.array(
    [
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [255, 255, 255],
        [0, 0, 0],
        [128, 128, 128],
        [200, 100, 50],
        [30, 160, 220],
    ],
    np.uint8,
)
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}
"""Of red and blue in luma: BT.709, BT.601 and BT.2020, by their numbers in ITU-T H.273, table 4."""


def stripes(height: int, width: int) -> np.ndarray:
    """uint8 ``[h, w, 3]``: each colour in a stripe of its own."""
    return np.broadcast_to(np.repeat(COLOURS, width // len(COLOURS), 0), (height, width, 3))


def yuv(rgb: np.ndarray, matrix: int, full: bool, bits: int) -> list[np.ndarray]:
    """Y, Cb and Cr of ``[h, w, 3]`` as ITU-T H.273, section 8.3, has them."""
    red, blue = WEIGHTS[matrix]
    r, g, b = (rgb[..., i] / 255 for i in range(3))
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = ((b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red)))
    top, middle, scale = 2**bits - 1, 2 ** (bits - 1), 2 ** (bits - 8)
    planes = (
        [y * top, *(c * top + middle for c in chroma)]
        if full
        else [scale * (16 + 219 * y), *(scale * (128 + 224 * c) for c in chroma)]
    )
    return [
        np.rint(plane).clip(0, top).astype(np.uint16 if bits > 8 else np.uint8) for plane in planes
    ]


def tagged(path, rgb: np.ndarray, pix_fmt: str, matrix: int, full: bool, tag: bool):
    """Three frames whose planes are written as they are, by a lossless codec."""
    planes = yuv(rgb, matrix, full, 10 if "10" in pix_fmt else 8)
    rows, columns = {"420": (2, 2), "422": (1, 2), "444": (1, 1)}[pix_fmt[3:6]]
    planes = [planes[0], *(chroma[::rows, ::columns] for chroma in planes[1:])]
    frame = av.VideoFrame(rgb.shape[1], rgb.shape[0], pix_fmt)
    for plane, values in zip(frame.planes, planes, strict=True):
        padded = np.zeros((plane.height, plane.line_size), np.uint8)
        stored = np.ascontiguousarray(values).view(np.uint8)
        padded[:, : stored.shape[1]] = stored
        plane.update(padded.tobytes())
    with av.open(str(path), "w") as file:
        stream = file.add_stream("ffv1" if path.suffix == ".mkv" else "libx264", rate=RATE)
        stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], pix_fmt
        stream.options = {"qp": "0"} if path.suffix == ".mp4" else {}
        if tag:
            for one in (stream.codec_context, frame):
                one.colorspace, one.color_range = matrix, 2 if full else 1
        for k in range(3):
            frame.pts = k
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", WEIGHTS)
@pytest.mark.parametrize(
    "name", ["yuv444p.mkv", "yuv420p.mp4", "yuv420p10le.mp4", "yuv422p10le.mkv"]
)
def test_colours_are_those_that_were_meant(tmp_path, name, matrix, full):
    rgb = stripes(16, 128)
    path = tagged(tmp_path / name, rgb, name.partition(".")[0], matrix, full, tag=True)
    x, _ = said(path, size=rgb.shape[:2])
    assert np.abs(x[0, :, 8, 8::16].T.astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize(("height", "matrix"), [(48, 5), (720, 1)])
def test_where_nothing_is_stated_colours_are_taken_as_players_do(tmp_path, height, matrix):
    rgb = stripes(height, 128)
    x, _ = said(
        tagged(tmp_path / "a.mp4", rgb, "yuv420p", matrix, False, tag=False), size=rgb.shape[:2]
    )
    assert np.abs(x[0, :, 8, 8::16].T.astype(int) - COLOURS).max() <= 2


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
def test_grey_video(tmp_path, pix_fmt):
    path = save(tmp_path / "a.mkv", levels(), pix_fmt=pix_fmt)
    assert header(path).channels == "grey"
    x, _ = said(path, channels="grey")
    assert x.shape == (12, 1, HEIGHT, WIDTH)
    assert np.abs(x[:, 0].astype(int) - levels()[..., 0]).max() <= 1
    assert np.abs(said(path)[0].astype(int) - levels().transpose(0, 3, 1, 2)).max() <= 1


def test_grey_of_a_coloured_video_is_that_of_pictures(tmp_path):
    frames = moving(3)
    x, _ = said(save(tmp_path / "a.mkv", frames, pix_fmt="bgr0"), channels="grey")
    assert np.array_equal(x[0, 0], np.asarray(Image.fromarray(frames[0]).convert("L")))


# --- upright, square pixels, size ------------------------------------------------------------------------------------

QUARTERS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        ((90,), np.rot90(QUARTERS)),
        ((180,), np.rot90(QUARTERS, 2)),
        ((270,), np.rot90(QUARTERS, 3)),
        ((0, True), QUARTERS[:, ::-1]),
        ((0, False, True), QUARTERS[::-1]),
        ((90, True), np.rot90(QUARTERS)[:, ::-1]),
        ((270, True), np.rot90(QUARTERS, 3)[:, ::-1]),
    ],
)
def test_a_turned_video_is_upright(tmp_path, turn, expected):
    whole = np.repeat(np.repeat(QUARTERS, HEIGHT // 2, 0), WIDTH // 2, 1)
    path = save(
        tmp_path / "a.mp4",
        np.stack([whole] * 3),
        set_up=lambda stream: stream.set_display_rotation(*turn),
    )
    height, width = (WIDTH, HEIGHT) if turn[0] % 180 else (HEIGHT, WIDTH)
    assert header(path)[:2] == (height, width)
    x, _ = said(path, size=(height, width))
    got = x[0, :, height // 4 :: height // 2, width // 4 :: width // 2].transpose(1, 2, 0)
    assert np.abs(got.astype(int) - expected).max() < 12


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    ("aspect", "size"), [("2", (24, 64)), ("1/2", (48, 32)), ("12/11", (24, 35))]
)
def test_pixels_are_made_square(tmp_path, suffix, aspect, size):
    def set_up(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(aspect)

    path = save(tmp_path / f"a{suffix}", moving(3), codec="libx264", set_up=set_up)
    assert header(path)[:2] == size
    flat = save(tmp_path / f"b{suffix}", moving(3), codec="libx264")
    assert psnr(said(path, size=size)[0], said(flat, size=size, resize="stretch")[0]) > 30


@pytest.mark.parametrize("how", ["crop", "pad", "stretch"])
def test_frames_are_resized_as_pictures_are(tmp_path, how):
    frames = moving(3, 50, 90)
    x, _ = said(save(tmp_path / "a.mkv", frames, pix_fmt="bgr0"), size=(32, 32), resize=how)
    expected = [
        np.asarray(resize(Image.fromarray(frame), 32, 32, how, "black")) for frame in frames
    ]
    assert np.array_equal(x.transpose(0, 2, 3, 1), np.stack(expected))


def test_large_frames_are_reduced_on_the_way_and_look_the_same(tmp_path):
    frames = moving(2, 480, 640)
    frames[:, ::5] //= 2  # fine stripes, which alias where they are not filtered
    path = save(tmp_path / "a.mkv", frames, pix_fmt="bgr0")
    x, _ = said(path, size=(32, 48))
    expected = np.stack(
        [np.asarray(resize(Image.fromarray(frame), 32, 48, "crop")) for frame in frames]
    )
    assert psnr(x.transpose(0, 2, 3, 1), expected) > 40
    with container.opened(path) as video:
        reduced = picture(video.first(), video.aspect, 48)
    assert reduced.size == (128, 96)


@pytest.mark.parametrize(("height", "width"), [(17, 23), (24, 31), (5, 64)])
def test_odd_sizes(tmp_path, height, width):
    frames = moving(4, height, width)
    x, _ = said(save(tmp_path / "a.webm", frames, crf="0", b="0"), size=(height, width))
    assert x.shape == (4, 3, height, width)
    assert psnr(x.transpose(0, 2, 3, 1), frames) > 22


def test_a_size_that_changes_on_the_way(tmp_path):
    """As recordings of a broadcast do: every frame is brought to the one size."""
    parts = [
        save(tmp_path / f"{k}.ts", moving(6, *size)).read_bytes()
        for k, size in enumerate([(24, 32), (48, 64)])
    ]
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    x, _ = said(tmp_path / "a.ts", size=(16, 16))
    assert len(x) == 12


def test_blocks_are_small(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "BLOCK", 4 * 3 * HEIGHT * WIDTH)
    path = save(tmp_path / "a.mp4", levels(10))
    blocks = list(decode.clip(path, RATE, HEIGHT, WIDTH, "rgb", "crop", "black"))
    assert [len(block) for block in blocks] == [4, 4, 2]
    monkeypatch.setattr(decode, "BLOCK", 1)
    assert all(
        len(block) == 1 for block in decode.clip(path, RATE, HEIGHT, WIDTH, "rgb", "crop", "black")
    )


def test_the_same_file_is_read_the_same(tmp_path):
    path = save(tmp_path / "a.mp4", moving(8, 40, 60))
    assert np.array_equal(said(path)[0], said(path)[0])


def test_a_glance_shows_the_beginning_and_the_middle(tmp_path):
    for path in (
        save(tmp_path / "a.mp4", levels(20), g="5"),
        save(tmp_path / "a.webm", levels(20), g="5"),
    ):
        seen = which(np.stack([np.asarray(image).transpose(2, 0, 1) for image in glance(path)]))
        assert seen[0] == 0
        assert 5 <= seen[1] <= 12
    seen = which(
        np.stack(
            [
                np.asarray(image).transpose(2, 0, 1)
                for image in glance(save_pictures(tmp_path / "b", levels(9)))
            ]
        )
    )
    assert seen == [0, 4]


# --- what is refused, and what is used all the same ------------------------------------------------------------------


def cut(path, share: float):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def noisy(n: int = 40) -> np.ndarray:
    """Frames that take many bytes, so that a file's middle is in the middle of them."""
    return np.random.default_rng(0).integers(0, 256, (n, HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("name", ["index.mp4", "index.mov"])
def test_a_video_without_its_index_says_so(tmp_path, name):
    path = cut(save(tmp_path / name, noisy()), 0.5)
    for reading in (header, said):
        with pytest.raises(
            DataError, match=rf"{name} is cut short: its index \(moov\).* Copy it again"
        ):
            reading(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi", "a.ts", "a.flv", "a.wmv"])
def test_what_is_whole_of_a_video_that_is_cut_short_is_used(tmp_path, name):
    container_options = {"movflags": "+faststart"} if name == "a.mp4" else {}
    path = save(
        tmp_path / name,
        noisy(),
        pix_fmt="bgr0" if name == "a.mkv" else "yuv420p",
        container=container_options,
        g="5",
    )
    whole, texts = said(path)
    assert len(whole) == 40
    assert texts == []
    x, texts = said(cut(path, 0.5))
    assert 10 <= len(x) <= 25
    assert np.array_equal(x, whole[: len(x)])
    assert len(texts) == 1
    assert "cut short" in texts[0]


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv"])
def test_what_comes_before_damage_is_used(tmp_path, name):
    path = save(tmp_path / name, noisy(), pix_fmt="bgr0" if name == "a.mkv" else "yuv420p", g="5")
    whole, _ = said(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(1).integers(0, 256, 400, np.uint8).tobytes()
    path.write_bytes(data)
    x, texts = said(path)
    assert 10 <= len(x) <= 25
    assert np.array_equal(x, whole[: len(x)])
    assert any("what comes before is used" in text for text in texts)


def test_a_recording_that_starts_between_key_frames_starts_at_the_next(tmp_path):
    path = save(tmp_path / "a.ts", levels(24), g="6", bf="0")
    data = path.read_bytes()
    (tmp_path / "late.ts").write_bytes(data[188 * (len(data) // 188 // 4) :])
    x, _ = said(tmp_path / "late.ts")
    seen = which(x)
    assert seen[0] > 0
    assert seen == list(range(seen[0], 24))


BAD = {
    "empty.mp4": (b"", "is empty"),
    "page.mp4": (b"<html>404 not found</html>" * 40, "is text, not video"),
    "code.ts": (b"export const x: number = 1;\n", "is text, not video"),
    "noise.mkv": (
        np.random.default_rng(0).integers(0, 256, 5000, np.uint8).tobytes(),
        "is not a video",
    ),
    "list.mp4": (b"#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n", "is text, not video"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_video_is_refused(tmp_path, name):
    data, words = BAD[name]
    path = tmp_path / name
    path.write_bytes(data)
    for reading in (header, said):
        with pytest.raises(DataError, match=rf"{name} {words}.*Remove"):
            reading(path)


def test_pictures_under_another_name_are_refused(tmp_path):
    for name, kind in (("a.mp4", "PNG"), ("b.mp4", "JPEG")):
        Image.new("RGB", (32, 32)).save(tmp_path / name, kind)
        with pytest.raises(DataError, match="is not a video"):
            said(tmp_path / name)


def test_sound_without_a_picture_is_refused(tmp_path):
    for name, codec in (("a.mp4", "aac"), ("b.mkv", "aac")):
        with pytest.raises(DataError, match="holds sound and no video"):
            header(save_sound(tmp_path / name, codec))


def test_a_size_that_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "LARGEST", HEIGHT * WIDTH - 1)
    with pytest.raises(DataError, match="states 24x32, which is not the size of a video"):
        header(save(tmp_path / "a.mp4", levels()))


def test_a_file_that_is_gone_or_locked(tmp_path):
    with pytest.raises(DataError, match="does not exist any more"):
        said(tmp_path / "gone.mp4")
    path = save(tmp_path / "a.mp4", levels())
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(DataError, match="permission denied"):
        said(path)


def test_a_rate_that_is_none_does_not_make_a_clip_without_end(tmp_path):
    """Damage to eight bytes of an AVI's header can make a frame last for days."""
    path = save(tmp_path / "a.avi", levels(6))
    data = bytearray(path.read_bytes())
    at = data.index(b"strh") + 8 + 20  # of its stream: scale and rate, little-endian
    data[at : at + 8] = (14_155_777).to_bytes(4, "little") + (10).to_bytes(4, "little")
    path.write_bytes(data)
    assert header(path).rate == container.GUESSED
    assert which(said(path, container.GUESSED)[0]) == list(range(6))


def test_names_that_look_like_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("http:a.mp4", "%d a.mp4", "ä ö.mp4"):
        path = save(tmp_path / "plain.mp4", levels(3)).rename(tmp_path / name)
        assert len(said(path)[0]) == 3


def test_one_frame_is_left_out_by_shortest(tmp_path):
    path = save(tmp_path / "a.mp4", levels(1))
    assert len(said(path)[0]) == 1
    with pytest.raises(DataError, match="fewer than 2"):
        read(path)


def test_ffmpeg_is_silent(tmp_path, capfd):
    path = cut(save(tmp_path / "a.avi", noisy()), 0.6)
    said(path)
    with pytest.raises(DataError):
        said(cut(save(tmp_path / "b.mp4", noisy()), 0.6))
    assert capfd.readouterr() == ("", "")


def test_a_gif_that_is_cut_short_is_reported(tmp_path):
    whole = save_gif(tmp_path / "a.gif", list(moving(12)))
    assert said(whole)[1] == []
    cut = tmp_path / "b.gif"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    x, texts = said(cut)
    assert 1 < len(x) < 12
    assert any("cut short" in text or "damaged" in text for text in texts)


def test_times_that_do_not_begin_at_zero_are_no_damage(tmp_path):
    path = save(
        tmp_path / "a.mkv", levels(12), times=[60_000 + 100 * k for k in range(12)], pix_fmt="bgr0"
    )
    x, texts = said(path)
    assert which(x) == list(range(12))
    assert texts == []


def test_a_broken_link_among_numbered_pictures_is_no_picture(tmp_path):
    folder = save_pictures(tmp_path / "a", levels(4))
    (folder / "frame_0005.png").symlink_to(tmp_path / "nowhere")
    assert which(said(folder)[0]) == [0, 1, 2, 3]
