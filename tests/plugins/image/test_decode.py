"""Every format and mode -> uint8 [c, h, w], and what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageFile
from PIL.PngImagePlugin import PngInfo

from difftool import DataError, remarks
from difftool_image.decode import decode, header

from .conftest import pattern, read

RGB = pattern()
GREY = RGB[..., 0]
ALPHA = np.repeat(np.linspace(0, 255, 16).round().astype(np.uint8)[None], 12, 0)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "ppm", "webp"])
def test_colour_without_loss(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(RGB).save(path, **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(read(path), RGB.transpose(2, 0, 1))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "pgm", "gif"])
def test_grey_without_loss(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(GREY).save(path)
    assert np.array_equal(read(path), GREY[None])


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg(tmp_path, mode):
    path = tmp_path / "a.JPG"
    Image.fromarray(RGB).convert(mode).save(path, "JPEG", quality=98)
    expected = (
        RGB.transpose(2, 0, 1)
        if mode != "L"
        else np.asarray(Image.fromarray(RGB).convert("L"))[None]
    )
    assert np.abs(read(path).astype(int) - expected).mean() < 6


def test_transparency_is_kept_and_hides_what_cannot_be_seen(tmp_path):
    Image.fromarray(np.dstack((RGB, ALPHA))).save(tmp_path / "a.png")
    got = read(tmp_path / "a.png")
    assert np.array_equal(got[3], ALPHA)
    assert np.array_equal(got[:3, :, 1:], RGB.transpose(2, 0, 1)[:, :, 1:])
    assert not got[:3, :, 0].any()


def test_grey_with_transparency(tmp_path):
    Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(tmp_path / "a.png")
    got = read(tmp_path / "a.png")
    assert got.shape == (2, 12, 16)
    assert np.array_equal(got[1], ALPHA)
    assert np.array_equal(read(tmp_path / "a.png", channels="rgba")[0], got[0])


def test_transparency_that_is_not_kept_shows_the_background(tmp_path):
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert (read(tmp_path / "a.png", channels="rgb") == 255).all()
    assert (read(tmp_path / "a.png", channels="grey", background="black") == 0).all()


def test_palette(tmp_path):
    image = Image.fromarray(RGB).quantize(16)
    image.save(tmp_path / "a.png")
    assert np.array_equal(
        read(tmp_path / "a.png"), np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    )


def test_palette_of_greys_is_grey(tmp_path):
    image = Image.fromarray(GREY).quantize(256)
    image.save(tmp_path / "a.png")
    assert read(tmp_path / "a.png").shape == (1, 12, 16)


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 1)
    image.save(tmp_path / "a.png", transparency=1)
    got = read(tmp_path / "a.png")
    assert got.shape == (4, 8, 8)
    assert got[:, 0, 0].tolist() == [0, 0, 0, 0]
    assert got[:, 1, 1].tolist() == [255, 0, 0, 255]


def test_one_bit(tmp_path):
    Image.fromarray(GREY > 128).save(tmp_path / "a.png")
    assert np.array_equal(read(tmp_path / "a.png"), (GREY[None] > 128) * np.uint8(255))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_not_cut(tmp_path, suffix):
    wide = GREY.astype(np.uint16) * 257
    wide[0, :4] = 0, 65535, 32768, 128
    Image.fromarray(wide).save(tmp_path / f"a.{suffix}")
    got = read(tmp_path / f"a.{suffix}")
    assert got[0, 0, :4].tolist() == [0, 255, 128, 0]
    assert np.array_equal(got[0, 1:], GREY[1:])


def test_float_tiff(tmp_path):
    Image.fromarray((GREY / 255).astype(np.float32)).save(tmp_path / "a.tif")
    assert np.array_equal(read(tmp_path / "a.tif"), GREY[None])
    Image.fromarray(GREY.astype(np.float32)).save(tmp_path / "b.tif")
    with pytest.raises(DataError, match="0 to 1"):
        read(tmp_path / "b.tif")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, suffix, orientation):
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[0x0112] = orientation
    upright = np.zeros((16, 24), np.uint8)
    upright[:8, :8] = 255  # the corner at the upper left
    turn = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # Pillow's transpositions that undo each orientation, backwards
    stored = Image.fromarray(upright)
    if orientation > 1:
        stored = stored.transpose(Image.Transpose(turn[orientation]))
    stored.save(path, exif=exif, **({"quality": 100, "subsampling": 0} if suffix != "png" else {}))
    got = read(path, channels="grey")
    assert got.shape == (1, 16, 24)
    assert np.abs(got[0].astype(int) - upright).max() < 24


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_is_no_reason_to_lose_the_picture(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff")
    assert read(tmp_path / "a.jpg").shape == (3, 12, 16)


def test_animation_is_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert read(tmp_path / "a.gif", channels="rgb")[:, 0, 0].tolist() == [255, 0, 0]


def test_content_counts_not_the_suffix(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", "PNG")
    assert np.array_equal(read(tmp_path / "a.jpg"), RGB.transpose(2, 0, 1))


def test_a_large_jpeg_is_decoded_small_but_right(tmp_path):
    large = Image.fromarray(pattern(240, 320))
    large.save(tmp_path / "a.jpg", quality=98)
    large.save(tmp_path / "a.png")
    a, b = (read(tmp_path / f"a.{suffix}", size=16).astype(int) for suffix in ("jpg", "png"))
    assert np.abs(a - b).mean() < 3


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(path, *words: str) -> None:
    with pytest.raises(DataError) as caught:
        read(path, size=8, channels="rgb")
    assert str(path) in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF"])
def test_truncated(tmp_path, format):
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole, format)
    (tmp_path / "a.png").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    ImageFile.LOAD_TRUNCATED_IMAGES = True  # whatever another library set
    refused(tmp_path / "a.png", "Remove")


def test_empty_file(tmp_path):
    (tmp_path / "a.png").touch()
    refused(tmp_path / "a.png", "0 bytes")


def test_text(tmp_path):
    (tmp_path / "a.png").write_text("no picture")
    refused(tmp_path / "a.png", "not a picture")


def test_missing(tmp_path):
    refused(tmp_path / "a.png", "does not exist")


def test_unreadable(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.png")

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", denied)
    refused(tmp_path / "a.png", "permission denied")


def test_what_unpacks_to_more_than_memory_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("difftool_image.decode.MOST_PIXELS", 12)
    Image.fromarray(pattern(12, 16)).save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "16 x 12 pixels", "at most 12", "JPEG")


def test_of_a_large_jpeg_what_is_decoded_counts(tmp_path, monkeypatch):
    """A photograph of 200 million pixels is decoded at an eighth of its sides."""
    monkeypatch.setattr("difftool_image.decode.MOST_PIXELS", 40 * 30)
    Image.fromarray(pattern(240, 320)).save(tmp_path / "a.jpg")
    assert decode(tmp_path / "a.jpg", near=8).size == (40, 30)


# --- what a file says beside its pixels ---


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "tif", "png", "webp"])
def test_header_and_picture_are_turned_alike(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(pattern(12, 20)).save(tmp_path / f"a.{suffix}", exif=exif)
    found, picture = header(tmp_path / f"a.{suffix}"), decode(tmp_path / f"a.{suffix}")
    assert picture.size == ((12, 20) if orientation >= 5 else (20, 12))
    assert (found.width, found.height) == picture.size


def swapped() -> bytes:
    """A colour profile in which red and green have each other's place."""
    profile = bytearray(
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        .tobytes()
        .replace("sRGB".encode("utf-16-be"), "zRGB".encode("utf-16-be"))
    )
    tags = int.from_bytes(profile[128:132], "big")
    at = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(tags)}
    red, green = at[b"rXYZ"], at[b"gXYZ"]
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(profile)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_are_those_of_the_files_profile(tmp_path, mode):
    red = Image.new(mode, (4, 4), (200, 0, 0, 90)[: len(mode)])
    red.save(tmp_path / "a.png", icc_profile=swapped())
    shown = np.asarray(decode(tmp_path / "a.png"))[0, 0].tolist()
    assert shown[1] > 150 > 60 > shown[0]
    assert shown[3:] == ([90] if mode == "RGBA" else [])
    red.save(
        tmp_path / "b.png",
        icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    )
    assert np.asarray(decode(tmp_path / "b.png"))[0, 0].tolist() == [200, 0, 0, 90][: len(mode)]


def test_a_damaged_profile_is_remarked_on(tmp_path):
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "a.png", icc_profile=b"nothing of use")
    with remarks() as said:
        assert np.asarray(decode(tmp_path / "a.png"))[0, 0].tolist() == [9, 8, 7]
    assert "colour profile" in said[0]


def test_twelve_bits_in_sixteen_are_remarked_on(tmp_path):
    for name, top in (("dark", 4095), ("whole", 65535)):
        Image.fromarray(np.linspace(0, top, 64).reshape(8, 8).astype(np.uint16)).save(
            tmp_path / f"{name}.tif"
        )
    with remarks() as said:
        decode(tmp_path / "whole.tif")
        assert not said
        decode(tmp_path / "dark.tif")
    assert "4095 of 65535" in said[0]


def test_postscript_is_not_run(tmp_path):
    (tmp_path / "a.png").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n"
    )
    refused(tmp_path / "a.png", "not a picture")


@pytest.mark.parametrize("packed", [False, True])
def test_a_png_may_hold_a_whole_workflow_as_text(tmp_path, packed):
    text = PngInfo()
    text.add_text("workflow", "step " * 600_000, zip=packed)
    Image.new("RGB", (4, 4), "red").save(tmp_path / "a.png", pnginfo=text)
    assert decode(tmp_path / "a.png").size == (4, 4)


@pytest.mark.parametrize(("suffix", "package"), [("heic", "pillow_heif"), ("jxl", "pillow_jxl")])
def test_formats_that_an_extra_brings(tmp_path, suffix, package):
    module = pytest.importorskip(package)
    getattr(module, "register_heif_opener", lambda: None)()
    array = np.zeros((40, 60, 3), np.uint8)
    array[:20, :30] = 200, 30, 30
    exif = Image.Exif()
    exif[0x0112] = 6  # on its side
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(array).save(path, exif=exif.tobytes())
    found = np.asarray(decode(path)).astype(int)
    assert found.shape == (60, 40, 3)
    assert np.abs(found[5, -5] - (200, 30, 30)).max() < 20
    assert found[-5, 5].max() < 20
