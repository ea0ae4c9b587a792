"""Edits: laws in closed form, and what the command makes of files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small import call, pictures, small_run, train

from difftool import UsageError, load
from difftool.edits.interpolate import spherical
from difftool.edits.inversion import inverted
from difftool.edits.restore import noise_level
from difftool.plugin.registry import Registry
from difftool.samplers.euler import euler
from difftool.spans import slices

SIGMAS = [80 * (0.002 / 80) ** (i / 40) for i in range(41)] + [0.0]


def gaussian(x: torch.Tensor, sigma: float) -> torch.Tensor:
    """The exact denoiser of data of unit variance."""
    return x / (1 + sigma**2)


def test_an_inverted_example_is_made_again_by_euler_s_method():
    x0 = torch.randn(3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    start = inverted(gaussian, x0, SIGMAS, iterations=30)
    assert abs(float(start.std() / 80) - 1) < 0.3, "it is noise of the first level"
    *_, last = euler(gaussian, start, SIGMAS, lambda *_: torch.zeros_like(x0))
    assert torch.allclose(last.x, x0, rtol=1e-4, atol=1e-4)


def test_spherical_interpolation_keeps_the_length_and_meets_its_ends():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(5, 2000, generator=generator) for _ in range(2))
    weight = torch.linspace(0, 1, 5)
    between = spherical(a, b, weight)
    assert torch.allclose(between[0], a[0], atol=1e-4)
    assert torch.allclose(between[-1], b[-1], atol=1e-4)
    assert (between.norm(dim=1) / 2000**0.5 - 1).abs().max() < 0.05


@pytest.mark.parametrize("level", [0.05, 0.2])
def test_the_noise_of_smooth_data_is_estimated(level):
    t = torch.linspace(0, 6, 64)
    smooth = (t[:, None].sin() * t[None].cos())[None, None]
    noise = torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert float(noise_level(smooth + level * noise)) == pytest.approx(level, rel=0.1)


def test_slices_are_read_as_they_are_written():
    assert slices("10:40,:5", (50, 60), "--region") == [slice(10, 40), slice(0, 5)]
    assert slices("1.5s:2s", (16000,), "--span", 8000) == [slice(12000, 16000)]


@pytest.mark.parametrize("text", ["4", "4:2", "0:99", "a:b", "1:2,3:4", "inf:2", ":1e999"])
def test_a_slice_that_fits_nothing_is_refused(text):
    with pytest.raises(UsageError, match="--span"):
        slices(text, (20,), "--span")


# --- what modalities select: the example, perhaps larger, and what is meant ---


def selecting(name: str, example: np.ndarray, options: dict, **settings):
    parts = Registry.load_all()
    spec = parts.modality(name)
    modality = parts.load(spec)(parts.options(spec)(**options))
    module, _, attribute = spec.selection.partition(":")
    selection = getattr(__import__(module, fromlist=[attribute]), attribute)(**settings)
    return modality.select(example, selection)


def test_a_picture_is_selected_by_region_border_and_mask(tmp_path):
    example = np.arange(3 * 4 * 6, dtype=np.uint8).reshape(3, 4, 6)
    same, marks = selecting("image", example, {}, region="1:3,:2")
    assert same is example
    assert marks.shape == (1, 4, 6)
    assert marks.sum() == 4
    larger, marks = selecting("image", example, {}, left=2, top=1)
    assert larger.shape == (3, 5, 8)
    assert (larger[:, 1:, 2:] == example).all()
    assert not marks[:, 1:, 2:].any()
    assert marks.sum() == 5 * 8 - 24
    Image.fromarray(np.eye(4, 6, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    _, marks = selecting("image", example, {}, mask=str(tmp_path / "mask.png"))
    assert (marks[0] == np.eye(4, 6, dtype=bool)).all()
    Image.new("L", (3, 3)).save(tmp_path / "small.png")
    with pytest.raises(UsageError, match="3x3 pixels, and the picture has 4x6"):
        selecting("image", example, {}, mask=str(tmp_path / "small.png"))


def test_a_recording_is_selected_in_seconds():
    example, rate = np.ones((1, 800), np.int16), {"rate": 1000, "channels": "mono", "seconds": 1}
    _, marks = selecting("audio", example, rate, span="0.2s:0.3s")
    assert marks[0].nonzero()[0].tolist() == list(range(200, 300))
    longer, marks = selecting("audio", example, rate, before=0.1, after=0.05)
    assert longer.shape == (1, 950)
    assert marks.sum() == 150


def test_a_clip_is_selected_by_frames_and_region():
    example = np.zeros((5, 3, 4, 4), np.uint8)
    _, marks = selecting("video", example, {}, frames="1:3", region=":2,:")
    assert marks.shape == (5, 1, 4, 4)
    assert marks.sum() == 2 * 2 * 4
    longer, marks = selecting("video", example, {}, after=2)
    assert longer.shape[0] == 7
    assert marks[5:].all()


def test_atoms_are_counted_from_one():
    example = np.zeros((6, 5), np.float32)
    _, marks = selecting("molecule", example, {}, atoms="2-3,6")
    assert marks[:, 0].nonzero()[0].tolist() == [1, 2, 5]
    larger, marks = selecting("molecule", example, {}, add=2)
    assert larger.shape == (8, 5)
    assert marks[:, 0].nonzero()[0].tolist() == [6, 7]
    for wrong in ("0", "7", "a", "3-2"):
        with pytest.raises(UsageError, match="--atoms"):
            selecting("molecule", example, {}, atoms=wrong)


# --- the whole, on a model of two classes ---


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    sets = ['conditions.class.use="label"', "modality.augment=0"]
    return train(tmp_path_factory.mktemp("runs") / "run", *small_run(8, sets))


@pytest.fixture
def files() -> list[Path]:
    return sorted(pictures().rglob("*.png"))[:2]


def read(path: str | Path) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_fill_keeps_what_is_not_selected_to_the_byte(run, files, tmp_path, capsys):
    before = [file.read_bytes() for file in files]
    words = [str(run), *map(str, files), "fill", "--region", "0:4,:", "-n", "2"]
    assert call("edit", *words, "-o", str(tmp_path / "out"), "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert [row["index"] for row in made["samples"]] == [0, 1, 2, 3]
    for row in made["samples"]:
        original = read(files[row["index"] // 2])
        result = read(row["path"])
        assert (result[4:] == original[4:]).all()
        assert (result[:4] != original[:4]).any()
    assert Path(made["sheet"]).is_file()
    assert [file.read_bytes() for file in files] == before
    info = json.loads(Image.open(made["samples"][0]["path"]).text["difftool"])
    assert info["edit"] == "fill"
    assert info["edited_from"] == str(files[0])


def test_a_result_depends_on_its_number_alone(run, files):
    model = load(str(run))
    whole = model.edit("vary", files, each=2, strength=0.6, batch=4)
    parts = model.edit("vary", files, each=2, strength=0.6, batch=1)
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(whole, parts, strict=True))


def test_vary_at_0_is_the_file_and_at_1_a_new_sample(run, files):
    model = load(str(run))
    (same,) = model.edit("vary", files[:1], each=1, strength=0.0)
    assert (same.transpose(1, 2, 0) == read(files[0])).all()
    fresh = model.edit("vary", files[:1], each=2, strength=1.0, cond={"class": "left"})
    sampled = model.sample(2, cond={"class": "left"})
    assert all((a == b).all() for a, b in zip(fresh, sampled, strict=True))


def test_invert_makes_the_file_again_and_interpolate_goes_from_one_to_the_other(run, files):
    model = load(str(run))
    settings = {"steps": 30, "iterations": 20}
    (again,) = model.edit("invert", files[:1], each=1, **settings)
    assert np.abs(again.transpose(1, 2, 0).astype(int) - read(files[0])).mean() < 3
    between = model.edit("interpolate", files, each=3, **settings)
    for place, file in ((0, files[0]), (2, files[1])):
        assert np.abs(between[place].transpose(1, 2, 0).astype(int) - read(file)).mean() < 3
    assert len(between) == 3


def test_a_picture_is_extended(run, files):
    model = load(str(run))
    (larger,) = model.edit("fill", files[:1], each=1, right=4)
    assert larger.shape == (3, 8, 12)
    assert (larger[:, :, :8].transpose(1, 2, 0) == read(files[0])).all()


def test_restore_brings_a_noisy_file_nearer_to_what_the_model_knows(run, files, tmp_path):
    rng = np.random.default_rng(0)
    noisy = (read(files[0]) + rng.normal(0, 20, (8, 8, 3))).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(tmp_path / "noisy.png")
    model = load(str(run))
    mean, other = model.edit("restore", [tmp_path / "noisy.png"], each=2, level=0.15)
    assert (mean == other).all(), "the mean of all originals is one"
    assert (mean.transpose(1, 2, 0) != noisy).any()
    sharp = model.edit("restore", [tmp_path / "noisy.png"], level=0.15, sharp=True)
    assert len(sharp) == 1, "the noise of the file decides"
    assert (sharp[0] != mean).any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fill"], "nothing is selected"),
        (["fill", "--region", ":,:"], "Everything is selected"),
        (["fill", "--region", "0:99,:"], "is not a part of the example"),
        (["interpolate"], "only one was given. Name two files"),
        (["paint"], "paint is not an edit. The last word is one of: fill"),
        (["vary", "--strength", "2"], "strength"),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(run, files, tmp_path, capsys, words, said):
    code = call("edit", str(run), str(files[0]), *words, "-o", str(tmp_path / "out"))
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_dry_run_shows_the_selection(run, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call("edit", str(run), str(files[0]), "fill", "--region", "0:4,:", "--dry-run") == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["selection.png"]
