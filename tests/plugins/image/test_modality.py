"""ImageModality: what auto becomes, sizes, writing, previews, the demo set, and what check finds."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from difftool import (
    Batch,
    DataError,
    Description,
    DifftoolError,
    Item,
    NoOptions,
    Streams,
    UsageError,
)
from difftool.data.inspect import inspect
from difftool_image.check import ImageInspection
from difftool_image.demo import SYMBOLS, write_demo
from difftool_image.grid import sheet
from difftool_image.options import ImageOptions, ImageRequest
from difftool_image.pixels import Pixels

from .conftest import SHAPES, modality, pattern


def save(folder, name: str, height: int, width: int, mode: str = "RGB") -> None:
    Image.fromarray(pattern(height, width)).convert(mode).save(folder / name)


def settled(folder, **options) -> ImageOptions:
    one = modality(**options)
    return one.fit(one.scan(folder)).settings()


# --- options ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "size"),
    [
        ("auto", "auto"),
        (64, 64),
        ("64", 64),
        ("48x64", (48, 64)),
        ("48 X 64", (48, 64)),
        ([48, 64], (48, 64)),
        ((8,), 8),
    ],
)
def test_sizes(given, size):
    options = ImageOptions(size=given)
    assert options.size == size
    assert ImageOptions.model_validate(options.model_dump(mode="json")) == options


@pytest.mark.parametrize(
    "given", ["x", "64x", "1x2x3", 3, 0, -64, 9000, True, None, 2.5, [], "64.5"]
)
def test_wrong_sizes(given):
    with pytest.raises(ValidationError, match="HEIGHTxWIDTH"):
        ImageOptions(size=given)


@pytest.mark.parametrize("field", ["flips", "crop"])
def test_unknown_options(field):
    with pytest.raises(ValidationError):
        ImageOptions(**{field: 1})


# --- how larger pictures are made smaller -------------------------------------------------------------------------------


@pytest.mark.parametrize("resize", ["crop", "pad", "stretch"])
def test_by_area_each_pixel_is_the_mean_of_those_it_stands_for(tmp_path, resize):
    """So the small pictures of a cascade's first stage are what its later stages show themselves in training."""
    Image.fromarray(pattern(16, 24)).save(tmp_path / "a.png")
    one = modality(size="8x12", channels="rgb", resize=resize, reduce="area")
    means = pattern(16, 24).reshape(8, 2, 12, 2, 3).mean((1, 3)).transpose(2, 0, 1)
    assert (
        np.abs(one.read(Item(tmp_path / "a.png")) - means).max() <= 1
    )  # rounded along one axis, and then the other
    sharp = modality(size="8x12", channels="rgb", resize=resize)
    assert np.abs(sharp.read(Item(tmp_path / "a.png")) - means).max() > 2


# --- auto ------------------------------------------------------------------------------------------------------------


def test_pictures_of_one_small_size_keep_it(folder):
    assert settled(folder).size == (12, 16)
    assert settled(folder, size=8).size == 8


@pytest.mark.parametrize(
    ("sizes", "side"),
    [([(100, 200)] * 3, 64), ([(30, 40), (33, 50), (90, 36)], 32), ([(5, 9), (6, 7)], 8)],
)
def test_others_become_a_square(tmp_path, sizes, side):
    for i, size in enumerate(sizes):
        save(tmp_path, f"{i}.png", *size)
    assert settled(tmp_path).size == side


@pytest.mark.parametrize(
    ("modes", "channels"),
    [
        (["L"], "grey"),
        (["L", "RGB"], "rgb"),
        (["1", "L"], "grey"),
        (["LA"], "grey"),
        (["RGBA", "L"], "rgb"),
    ],
)
def test_channels_are_the_fewest_that_lose_nothing(tmp_path, modes, channels):
    for i, mode in enumerate(modes):  # the alpha that convert() adds is opaque everywhere
        save(tmp_path, f"{i}.png", 8, 8, mode)
    assert settled(tmp_path).channels == channels


def test_transparency_that_is_used_is_kept(tmp_path):
    save(tmp_path, "a.png", 8, 8, "L")
    Image.new("LA", (8, 8), (9, 9)).save(tmp_path / "b.png")
    assert settled(tmp_path).channels == "grey+alpha"
    save(tmp_path, "c.png", 8, 8)
    assert settled(tmp_path).channels == "rgba"


def test_colour_is_found_beyond_the_sample(folder, monkeypatch):
    for path in folder.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    save(folder / "dog", "4.png", 12, 16)
    monkeypatch.setattr("difftool_image.measure.SAMPLE", 2)
    assert settled(folder).channels == "rgb"


def test_sideways_photographs_count_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pattern(12, 16)).save(tmp_path / "a.jpg", exif=exif)
    assert settled(tmp_path).size == (16, 12)


def test_nothing_readable(tmp_path):
    (tmp_path / "a.png").write_text("no")
    with pytest.raises(DataError, match=r"a\.png is not a picture"):
        settled(tmp_path)


def test_what_is_not_settled_says_so():
    with pytest.raises(DataError, match="still auto"):
        modality().describe(SHAPES)


# --- sizes -----------------------------------------------------------------------------------------------------------


def test_crop_keeps_the_middle_and_the_proportions(tmp_path):
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, :16, 0], picture[:, 16:32, 1], picture[:, 32:, 2] = 255, 255, 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    got = {
        how: modality(size=16, channels="rgb", resize=how).read(Item(tmp_path / "a.png"))
        for how in ("crop", "pad", "stretch")
    }
    assert {array.shape for array in got.values()} == {(3, 16, 16)}
    assert (got["crop"][1] == 255).all()
    assert not got["crop"][::2].any()
    assert (got["pad"][:, :5] == 255).all()  # white above
    assert got["pad"][0, 8, 1] > 250
    assert got["pad"][1, 8, 1] < 5
    assert got["stretch"][0, 8, 1] > 250
    assert got["stretch"][2, 8, 14] > 250


def test_transparent_padding(tmp_path):
    Image.new("RGBA", (16, 8), (255, 0, 0, 255)).save(tmp_path / "a.png")
    got = modality(size=16, channels="rgba", resize="pad").read(Item(tmp_path / "a.png"))
    assert not got[:, 0].any()
    assert got[:, 8, 8].tolist() == [255, 0, 0, 255]


def test_reduction_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    got = modality(size=16, channels="grey").read(Item(tmp_path / "a.png"))[:, :, 2:-2]
    assert np.abs(got.astype(int) - 127).max() < 8


def test_small_pictures(tmp_path):
    save(tmp_path, "a.png", 12, 16)
    item = Item(tmp_path / "a.png")
    assert modality(size="24x32", channels="rgb").read(item).shape == (3, 24, 32)
    with pytest.raises(DataError, match="12x16, smaller than 24x32"):
        modality(size="24x32", channels="rgb", small="skip").read(item)
    assert modality(size="12x16", channels="rgb", small="skip").read(item).shape == (3, 12, 16)


# --- raw batches -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_round_trip_is_exact(channels):
    every = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16).expand(2, channels, 16, 16)
    pixels = Pixels(None, Description((channels, 16, 16), "uint8", 2))
    encoded = pixels.encode(Batch(every))
    assert encoded.x.dtype == torch.float32
    assert (encoded.x.min(), encoded.x.max()) == (-1, 1)
    assert torch.equal(pixels.decode(encoded).x, every)
    assert pixels.shape == (channels, 16, 16)


def test_decoding_rounds_and_clips():
    pixels = Pixels(None, Description((1, 1, 4), "uint8", 1))
    x = torch.tensor([-1.5, 1.5, 0.0039 * 2, -1 + 0.6 / 127.5]).reshape(1, 1, 1, 4)
    assert pixels.decode(Batch(x)).x.flatten().tolist() == [0, 255, 128, 1]


def test_encoding_leaves_raw_alone():
    raw = torch.full((1, 1, 2, 2), 7.0)
    Pixels(None, Description((1, 2, 2), "uint8", 1)).encode(Batch(raw))
    assert (raw == 7).all()


def test_collate_copies_nothing():
    array = np.zeros((4, 3, 8, 8), np.uint8)
    made = modality(size=8, channels="rgb").collate(array, Streams(0, "collate", range(4)))
    array[0, 0, 0, 0] = 9
    assert made.x[0, 0, 0, 0] == 9
    assert (
        len(modality(size=8, channels="rgb").collate(list(array), Streams(0, "collate", range(4))))
        == 4
    )


def test_template_and_its_request():
    one = modality(size="8x16", channels="rgba")
    shape, extra, own = one.describe(SHAPES)
    description = Description(shape, "uint8", 1, {c.name: c for c in own}, extra)
    rng = Streams(0, "template", range(2))
    assert one.template(description, 2, rng, NoOptions()).x.shape == (2, 4, 8, 16)
    assert one.template(description, 2, rng, ImageRequest(size="24x12")).x.shape == (2, 4, 24, 12)
    assert one.template(description, 2, rng, ImageRequest(size=20)).x.shape == (2, 4, 20, 20)
    assert one.template(description, 2, rng, ImageRequest()).x.dtype == torch.uint8


def test_augmentation_is_described():
    (condition,) = modality(size=8, channels="rgb", augment=0.1).describe(SHAPES)[2]
    assert (condition.name, condition.kind, condition.width) == ("augment", "vector", 9)


# --- files -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", ["grey", "grey+alpha", "rgb", "rgba"])
def test_what_is_written_reads_back(tmp_path, channels):
    one = modality(size="12x16", channels=channels)
    example = np.ascontiguousarray(pattern(channels=one.describe(SHAPES)[0][0]).transpose(2, 0, 1))
    path = one.write(
        example, tmp_path / "new" / "sample-1.5", {"seed": 3, "text": "é → ü"}, NoOptions()
    )
    assert path == tmp_path / "new" / "sample-1.5.png"
    assert np.array_equal(one.read(Item(path)), example)
    assert json.loads(Image.open(path).text["difftool"]) == {"seed": 3, "text": "é → ü"}
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_writing_never_overwrites(tmp_path):
    one = modality(size=8, channels="grey")
    path = one.write(np.zeros((1, 8, 8), np.uint8), tmp_path / "a", {}, NoOptions())
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists already"):
        one.write(np.ones((1, 8, 8), np.uint8), tmp_path / "a", {}, NoOptions())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DifftoolError, match=r"disk that holds .* is full"):
        modality().write(np.zeros((1, 8, 8), np.uint8), tmp_path / "a", {}, NoOptions())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [1, 3, 16, 17])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_preview(tmp_path, n, channels):
    examples = [pattern(12, 16, channels, i).transpose(2, 0, 1) for i in range(n)]
    for titles in ((), ["a rather long title 猫" for _ in examples], ["only one"]):
        path = modality().preview(examples, tmp_path / "sheet", titles)
        assert Image.open(path).size[0] > 96


def test_sheets_of_large_pictures_stay_bounded():
    assert max(sheet([np.zeros((3, 600, 900), np.uint8)] * 36).size) < 4300


def test_sheets_of_different_sizes():
    sheet([np.zeros((3, 8, 8), np.uint8), np.zeros((3, 4, 30), np.uint8)], ["a", "b"])


# --- the demo set ----------------------------------------------------------------------------------------------------


def test_demo_is_the_same_every_time_and_readable(tmp_path):
    for name in ("a", "b"):
        write_demo(tmp_path / name, count=3)
    one = modality()
    items = one.scan(tmp_path / "a")
    one = one.fit(items)
    assert {item.columns["class"] for item in items} == set(SYMBOLS)
    assert (len(items), one.size, one.channels) == (30, (32, 32), "rgb")
    for item in items:
        twin = Item(tmp_path / "b" / item.path.relative_to(tmp_path / "a"))
        assert np.array_equal(one.read(item), one.read(twin))
    assert len({one.read(item).tobytes() for item in items}) == 30


def test_demo_of_the_modality_fills_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("difftool_image.demo.write_demo.__defaults__", (2,))
    modality().demo(tmp_path)
    assert len(modality().scan(tmp_path)) == 20


# --- check -----------------------------------------------------------------------------------------------------------


def report(folder, **options) -> dict[str, list[str]]:
    one, found = modality(**options), {}
    for finding in inspect("image", one, one.scan(folder), ImageInspection):
        found.setdefault(finding.level, []).append(finding.text)
    return found


def test_a_sound_folder(folder):
    found = report(folder)
    assert set(found) == {"ok"}
    text = "\n".join(found["ok"])
    assert "10 files" in text
    assert "12x16 (10)" in text
    assert "column class: 2 classes, 5 of each" in text
    assert f"difftool train -m image {folder} --recipe tiny" in text


def test_everything_wrong_at_once(folder):
    for i in range(3):
        Image.new("RGB", (16, 12), "red").save(folder / "cat" / f"red{i}.png")
    (folder / "dog" / "bad.png").touch()
    (folder / "metadata.csv").write_text("file_name,age,same\ncat/0.png,1,x\ncat/1.png,2,x\n")
    found = report(folder, size=64)
    warnings = "\n".join(found["warning"] + found["note"])
    for words in (
        "1 (7.1%) would be skipped",
        "bad.png is empty",
        "13 are smaller than 64x64",
        "2 are copies",
        "3 are of one colour",
        "column same: one value for all",
    ):
        assert words in warnings, (words, found)


def test_a_folder_of_nothing_readable(tmp_path):
    (tmp_path / "a.png").touch()
    assert "0 bytes" in report(tmp_path)["error"][0]


def test_grey_stored_in_colour_is_noticed(tmp_path):
    for i in range(3):
        Image.fromarray(pattern(seed=i)).convert("L").convert("RGB").save(tmp_path / f"{i}.png")
    assert any("--channels grey" in text for text in report(tmp_path)["note"])


def test_the_same_picture_in_two_classes(folder):
    (folder / "dog" / "0.png").write_bytes((folder / "cat" / "0.png").read_bytes())
    assert any("several classes" in text for text in report(folder)["warning"])


# --- refining ----------------------------------------------------------------------------------------------------------


def test_what_is_given_to_be_refined_keeps_its_own_size_and_takes_the_trained_channels(folder):
    save(folder, "large.png", 90, 70)
    one = modality(size=8, channels="grey", small="skip")
    given = one.read_given(Item(folder / "large.png"))
    assert (given.shape, given.dtype) == ((1, 90, 70), np.uint8)
    save(folder, "tiny.png", 5, 4)
    assert one.read_given(Item(folder / "tiny.png")).shape == (
        1,
        5,
        4,
    )  # nothing is enlarged, and so nothing too small


def test_the_size_in_the_file_and_what_was_cut_off_can_be_conditions(tmp_path):
    import difftool

    for i in range(3):
        save(tmp_path, f"wide{i}.png", 16, 32 + 16 * i)
    save(tmp_path, "tall.png", 40, 16)
    wide, tall = Item(tmp_path / "wide1.png"), Item(tmp_path / "tall.png")
    facts = modality(size=8, resize="crop").facts
    assert facts(wide) == {"width": 48, "height": 16, "crop_top": 0, "crop_left": 8}
    assert facts(tall) == {"width": 16, "height": 40, "crop_top": 6, "crop_left": 0}
    assert modality(size=8, resize="pad").facts(wide)["crop_left"] == 0
    named = {name: {"use": "number"} for name in ("width", "crop_left")}
    found = difftool.data.open(tmp_path, modality="image", size=8, conditions=named)
    columns = found.description.conditions
    assert {name: (columns[name].low, columns[name].high) for name in named} == {
        "width": (16, 64),
        "crop_left": (0, 12),
    }
