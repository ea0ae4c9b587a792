"""Pictures that keep their aspect ratios: sizes of one area, batches of one size, samples as in the data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from difftool import Description, Stream, Streams, UsageError
from difftool.cli import main
from difftool_image import native
from difftool_image.modality import ImageModality
from difftool_image.options import ImageOptions, ImageRequest

SIDE = 8


@pytest.mark.parametrize("side", [8, 16, 28, 64, 100, 256])
def test_sizes_have_about_one_area_and_come_upright_and_lying(side):
    sizes = native.buckets(side)
    assert all((w, h) in sizes for h, w in sizes)
    assert all(0.7 < h * w / side**2 < 1.4 for h, w in sizes)
    assert max(h / w for h, w in sizes) <= native.WIDEST
    assert any(h == w for h, w in sizes)


@pytest.mark.parametrize("size", [(480, 640), (640, 480), (500, 500), (100, 900), (3000, 1999)])
def test_a_picture_gets_the_size_of_the_nearest_proportions(size):
    chosen = native.nearest(size, 64)
    off = [abs(np.log(h / w) - np.log(size[0] / size[1])) for h, w in native.buckets(64)]
    assert abs(np.log(chosen[0] / chosen[1]) - np.log(size[0] / size[1])) == pytest.approx(min(off))


def test_mirrored_pictures_keep_their_padding_behind_them():
    pictures = [np.arange(1, 7, dtype=np.uint8).reshape(1, 2, 3), np.ones((1, 3, 2), np.uint8)]
    batch = native.padded(pictures)
    turned = native.mirrored(batch.x, batch.mask)
    assert turned[0, 0].tolist() == [[3, 2, 1], [6, 5, 4], [0, 0, 0]]
    assert turned[1, 0].tolist() == [[1, 1, 0]] * 3
    assert torch.equal(native.mirrored(turned, batch.mask), batch.x)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight lying, four upright and four square pictures, and one that is very long."""
    path, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    sizes = [(20, 30)] * 8 + [(30, 20)] * 4 + [(24, 24)] * 4 + [(5, 90)]
    for i, (h, w) in enumerate(sizes):
        Image.fromarray(rng.integers(0, 256, (h, w), np.uint8)).save(path / f"{i:02d}.png")
    return path


@pytest.fixture
def modality(folder):
    made = ImageModality(ImageOptions(size="native", side=SIDE))
    return made.fit(made.scan(folder))


def test_groups_are_the_sizes(modality, folder):
    examples = [modality.read(item) for item in modality.scan(folder)]
    shapes = np.array([one.shape for one in examples])
    shape, extra, _ = modality.describe(shapes)
    groups = modality.groups(shapes)
    assert len(extra["sizes"]) == len(set(groups.tolist())) == 4
    for group in set(groups.tolist()):
        assert len({examples[i].shape for i in np.flatnonzero(groups == group)}) == 1
    assert shape == examples[0].shape, "the size of most"
    assert sum(row[2] for row in extra["sizes"]) == 17


def test_samples_have_sizes_as_in_the_data_or_the_one_that_is_asked_for(modality):
    description = Description(
        (1, 8, 12), "uint8", 10, {}, {"sizes": [[8, 12, 6], [12, 8, 3], [8, 8, 1]]}
    )
    batch = modality.template(description, 400, Streams(0, "t", range(400)), ImageRequest())
    real = batch.mask.flatten(1).sum(1)
    assert batch.x.shape == (400, 1, 12, 12)
    assert (real == 64).float().mean().item() == pytest.approx(0.1, abs=0.05)
    alone = modality.template(description, 1, Streams(0, "t", [7]), ImageRequest())
    assert alone.mask is None
    assert alone.x.numel() == real[7]
    asked = modality.template(description, 3, Streams(0, "t", range(3)), ImageRequest(size="8x12"))
    assert asked.x.shape == (3, 1, 8, 12)
    assert asked.mask is None


def test_pictures_of_several_sizes_in_one_batch_are_not_augmented(folder):
    modality = ImageModality(ImageOptions(size="native", side=SIDE, channels="grey", augment=0.1))
    raw = native.padded([np.zeros((1, 4, 8), np.uint8), np.zeros((1, 8, 4), np.uint8)])
    with pytest.raises(UsageError, match="augment"):
        modality.augment(raw, Stream(0, "t"))


@pytest.mark.heavy
@pytest.mark.parametrize("network", [[], ["backbone.use=dit", "backbone.pack=true"]])
def test_a_run_trains_resumes_and_samples_at_all_sizes(folder, tmp_path, network, capsys):
    """A U-Net in batches of one size; a transformer that packs, in batches of any."""
    run = tmp_path / "run"
    small = ["--size", "native", "--side", str(SIDE), "--batch", "3", "--device", "cpu"]
    sets = network or ["backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.blocks=1"]
    sets = [*sets, "modality.flip=true", "train.preview=4", "sample.steps=2", "train.log_every=1"]
    words = ["train", "-m", "image", str(folder), *small, "--run", str(run)]
    words += [word for one in sets for word in ("--set", one)]
    if network:
        words += ["--recipe", "dit-tiny", "--set", "backbone.width=16", "--set", "backbone.depth=1"]
    assert run_cli([*words, "--steps", "4"]) == 0, capsys.readouterr().err
    assert run_cli(["resume", str(run), "--steps", "6"]) == 0, capsys.readouterr().err
    assert (
        run_cli(["sample", str(run), "-n", "8", "--batch", "4", "-o", str(tmp_path / "out")]) == 0
    )
    sizes = {Image.open(path).size for path in (tmp_path / "out").glob("*.png")}
    assert len(sizes) > 1
    asked = ["--size", "8x12", "-o", str(tmp_path / "asked")]
    assert run_cli(["sample", str(run), "-n", "2", *asked]) == 0, capsys.readouterr().err
    assert {Image.open(path).size for path in (tmp_path / "asked").glob("*.png")} == {(12, 8)}


def run_cli(words: list[str]) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    return int(leaving.value.code or 0)
