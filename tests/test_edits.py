"""Edits: laws in closed form, and what the command makes of files."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small import call, pictures, small_run, train

from difftool import (
    Batch,
    ChannelsColumn,
    Description,
    Euclidean,
    LabelColumn,
    Modality,
    Representation,
    UsageError,
    load,
    softened,
)
from difftool.circle import Circular
from difftool.conditioners.mask import MASK, mask_column, random_marks, told
from difftool.denoiser import Denoiser
from difftool.edit import Entries, Given
from difftool.edits.fill import Fill, Loop
from difftool.edits.fitting import fitted_band, fitted_blur, fitted_factor
from difftool.edits.interpolate import spherical
from difftool.edits.inversion import inverted
from difftool.edits.jpeg import compressed, decompressing, fitted_quality
from difftool.edits.operators import (
    band_limited,
    blocks,
    blurred,
    completing,
    reviving,
    sharpening,
    unblurring,
    unclipping,
    widening,
)
from difftool.edits.options import (
    FillOptions,
    LoopOptions,
    RemakeOptions,
    RestoreOptions,
    VaryOptions,
)
from difftool.edits.remake import Remake
from difftool.edits.restore import Restore, agreed_level, noise_level
from difftool.edits.vary import Vary
from difftool.engine.begin import Beginning, follows
from difftool.engine.editing import Editing, along, encoded
from difftool.files import checksum
from difftool.guidance.between import Between, mixed
from difftool.guidance.bind import bind
from difftool.guidance.doubt import LEVELS, doubt
from difftool.guidance.inpaint import MOST, following, keeping_softly
from difftool.guidance.options import StitchOptions
from difftool.guidance.stitch import Stitch, bump, region_of
from difftool.nn.backbone import Signals
from difftool.plugin.registry import Registry
from difftool.rng import Stream
from difftool.samplers.ancestral import euler_ancestral
from difftool.samplers.euler import euler
from difftool.spans import slices
from difftool_audio.frames import Frames
from difftool_audio.joins import joined
from difftool_audio.sheet import sheet as sounds
from difftool_audio.spectrogram import griffin_lim
from difftool_molecule.centred import Centred
from difftool_molecule.fragments import fragments
from difftool_molecule.selection import put_back
from difftool_molecule.sheet import sheet as molecules
from difftool_video.frames import Frames as ClipFrames
from difftool_video.given import GIVEN

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


def test_remaking_an_example_of_known_data_returns_it():
    rng = torch.Generator().manual_seed(0)
    x0 = torch.randn(2, 6, generator=rng, dtype=torch.float64)
    noises = [torch.randn(x0.shape, generator=rng, dtype=torch.float64) for _ in SIGMAS]
    given = Given(x0, noises[0], tuple(SIGMAS), gaussian, gaussian, Euclidean(), noises.__getitem__)
    x, sigmas, noise, *_ = Remake(RemakeOptions(strength=0.6)).start(given)
    assert len(sigmas) == 26, "so many of the 41 steps are taken"
    *_, last = euler_ancestral(gaussian, x, sigmas, noise)
    assert torch.allclose(last.x, x0, atol=1e-2)
    *_, fresh = euler_ancestral(gaussian, x, sigmas, lambda *_: torch.zeros_like(x0))
    assert not torch.allclose(fresh.x, x0, atol=0.1), "it is the noise that makes it so"


SHARP = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(1)) / 4
OTHER = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(2)) / 4
HOLES = torch.rand(SHARP.shape, generator=torch.Generator().manual_seed(3)) < 0.4


@pytest.mark.parametrize(
    ("damage", "projector"),
    [
        (lambda x: blocks(x, 2), lambda y: sharpening(y, 2)),
        (lambda x: x.clamp(-0.2, 0.2), lambda y: unclipping(y, 0)),
        (lambda x: torch.where(HOLES, 0.125, x), completing),
        (lambda x: compressed(x, 20), lambda y: decompressing(y, 20)),
        (
            lambda x: band_limited(x[0], 0.3)[None],
            lambda y: lambda x: widening(y[0], 0.3)(x[0])[None],
        ),
    ],
    ids=["lower", "clip", "missing", "jpeg", "band"],
)
def test_a_projected_estimate_could_have_become_the_file(damage, projector):
    y = damage(SHARP)
    project = projector(y)
    found = project(OTHER)
    assert torch.allclose(project(found), found, atol=1e-5), "a projection is idempotent"
    assert (found - SHARP).norm() < (OTHER - SHARP).norm(), "it is nearer to the original"
    assert torch.allclose(project(SHARP), SHARP, atol=1e-5), "the original is one of them"


def test_a_blur_is_its_own_transpose_and_is_undone_where_it_can_be():
    a, b = blurred(SHARP, 1.2), blurred(OTHER, 1.2)
    assert torch.allclose((a * OTHER).sum(), (SHARP * b).sum(), atol=1e-4)
    assert torch.allclose(a.mean(), SHARP.mean(), atol=1e-5)
    found = unblurring(a, 1.2)(OTHER)
    assert (blurred(found, 1.2) - a).norm() < 0.1 * a.norm()


def smooth(number: int, size: int = 48) -> torch.Tensor:
    """Shapes with edges, as most data have them."""
    rng = torch.Generator().manual_seed(number)
    at = torch.stack(torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")).float()
    x = torch.zeros(1, 1, size, size)
    for _ in range(12):
        centre, radius = (
            torch.rand(2, 1, 1, generator=rng) * size,
            3 + torch.rand(1, generator=rng) * 8,
        )
        x[0, 0][((at - centre).square().sum(0) < radius**2)] = torch.rand((), generator=rng) - 0.5
    return x


@pytest.mark.parametrize("level", [0.0, 0.05, 0.6])
def test_the_noise_of_what_has_no_order_is_what_the_model_takes_away(level):
    """Data on a line, to which the exact denoiser moves an example, whatever the level."""
    rng = torch.Generator().manual_seed(0)
    line = torch.nn.functional.normalize(torch.randn(400, generator=rng), dim=0)
    x = 30 * line + level * torch.randn(1, 400, generator=rng)

    def denoise(x, sigma):
        return (x @ line)[:, None] * line

    given = Given(x, x, tuple(SIGMAS), denoise, denoise, Euclidean(), lambda _: x)
    assert agreed_level(given) == pytest.approx(level, rel=0.15)


@pytest.mark.parametrize("std", [0.0, 1.0, 2.5])
def test_the_width_of_a_blur_is_estimated_from_the_sharpness_of_other_examples(std):
    y = blurred(smooth(0), std) if std else smooth(0)
    found = fitted_blur(y, [smooth(number) for number in range(1, 7)])
    assert found == pytest.approx(std, abs=0.2)


def test_the_factor_of_blocks_and_the_limit_of_a_band_are_found():
    assert fitted_factor(blocks(smooth(0), 4)) == 4
    assert fitted_factor(SHARP) is None
    sound = torch.randn(1, 1, 4000, generator=torch.Generator().manual_seed(0))
    assert fitted_band(band_limited(sound, 0.4)) == pytest.approx(0.4, abs=0.01)
    assert fitted_band(sound) == 1


@pytest.mark.parametrize(("mode", "quality"), [("L", 30), ("L", 80), ("RGB", 50)])
def test_what_a_jpeg_file_holds_is_near_to_what_was_compressed(mode, quality):
    channels = [smooth(k) for k in range(1 if mode == "L" else 3)]
    x = (blurred(torch.cat(channels, 1), 1.0) * 255).round() / 255
    pixels = ((x[0] + 1) * 127.5).round().byte().numpy().transpose(1, 2, 0)
    stored = BytesIO()
    Image.fromarray(pixels.squeeze()).save(stored, "JPEG", quality=quality)
    opened = np.asarray(Image.open(stored)).reshape(48, 48, -1).transpose(2, 0, 1)
    y = torch.from_numpy(opened.copy())[None].float() / 127.5 - 1
    assert abs(fitted_quality(y) - quality) <= 3
    found = decompressing(y, quality)(x)
    assert (found - x).norm() < 0.15 * (y - x).norm(), "the original is about one that fits"


def test_on_a_circle_no_entry_is_at_an_edge():
    class Edged(Labels):
        """It is wrong at the ends of both axes."""

        def __call__(self, x, sigma, signals, mask=None):
            x0 = x.clone()
            x0[:, :, [0, -1]] = 100
            x0[..., [0, -1]] = 100
            return x0

    x = torch.randn(2, 1, 32, 31, generator=torch.Generator().manual_seed(0))
    found = Circular(Edged(), (2, 3))(x, torch.ones(2), Signals())
    assert (found - x).abs().max() < 2, "the ends of windows hardly count"
    moved = Circular(Edged(), (2,))(x.roll(16, 2), torch.ones(2), Signals())
    assert torch.allclose(moved, Circular(Edged(), (2,))(x, torch.ones(2), Signals()).roll(16, 2))


def test_the_axis_of_a_raw_axis_is_found_in_model_units():
    raw = Batch(torch.randn(1, 1, 8, generator=torch.Generator().manual_seed(0)))
    assert along(Sums(), raw, (1,)) == [2]
    with pytest.raises(UsageError, match="no place along it"):
        along(Normalised(), raw, (0,))


def test_repeated_frames_are_made_again():
    clip = torch.randn(1, 2, 5, 3, 3)
    clip[:, :, 3] = clip[:, :, 2]
    found = reviving(clip)(torch.zeros_like(clip))
    assert (found[:, :, 3] == 0).all()
    kept = [0, 1, 2, 4]
    assert (found[:, :, kept] == clip[:, :, kept]).all()


def test_a_loop_brings_its_ends_to_the_middle_and_back():
    loop, example = Loop(LoopOptions(width=0.4)), np.arange(10)[None]
    rolled, marks = loop.before(example, None, (1,))
    assert rolled[0].tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]
    assert marks[0].nonzero()[0].tolist() == [3, 4, 5, 6]
    assert (loop.after(rolled, (1,)) == example).all()


@pytest.mark.parametrize(
    ("shape", "by"), [((1, 1, 8, 8), "frames"), ((1, 1, 8, 8), "band"), ((1, 1, 90), "jpeg")]
)
def test_damage_that_a_kind_of_data_cannot_suffer_is_refused(shape, by):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    given = Given(
        x, x, (1.0, 0.0), gaussian, gaussian, Euclidean(), lambda k: x,
        entries=Entries(x, lambda f: f),
    )  # fmt: skip
    with pytest.raises(UsageError, match=f"--by {by} is for examples of"):
        Restore(RestoreOptions(by=by)).start(given)


def test_frames_of_a_clip_are_decompressed_one_by_one():
    clip = torch.stack([smooth(k, 16) for k in range(3)], 2)
    y = torch.stack([compressed(clip[:, :, k], 30) for k in range(3)], 2)
    entries = Entries(y, lambda f: f)
    given = Given(y, y, (1.0, 0.0), gaussian, gaussian, Euclidean(), lambda k: y, entries=entries)
    denoise = Restore(RestoreOptions(by="jpeg", amount=30)).start(given).denoise
    found = denoise(2 * clip, 1.0)  # of which D is the clip
    assert torch.allclose(found, clip, atol=1e-4), "it is one that is compressed to the file"


@pytest.mark.heavy
def test_edits_that_solve_an_equation_are_refused_where_the_model_has_none(tmp_path):
    made = train(tmp_path / "run", *small_run(2, ['sampler.use="consistency"']))
    for edit in ("invert", "remake"):
        with pytest.raises(UsageError, match="was distilled"):
            load(str(made)).edit(edit, sorted(pictures().rglob("*.png"))[:1])


def test_regions_have_estimates_of_their_own_condition():
    columns = {"class": LabelColumn("class", ("A", "B"))}
    options = StitchOptions(regions=("class=A@0:0.5", "class=B@0.5:1"), soft=0)
    x = torch.zeros(2, 1, 3, 8)
    denoise = Stitch(options, columns).bind(Labels(), {"class": torch.tensor([-1, 0])})
    assert denoise(x, 1.0)[:, 0, 0].tolist() == [[0.0] * 4 + [1.0] * 4] * 2
    part = StitchOptions(regions=("class=B@0:0.5,0:0.5",), soft=0)
    found = Stitch(part, columns).bind(Labels(), {"class": torch.tensor([-1, 0])})(x, 1.0)
    assert found[:, 0, :, 0].tolist() == [[1, 1, -1], [1, 1, 0]], "elsewhere it is their own"
    soft = bump(x, [(0.0, 0.5)], 0.25).flatten()
    assert soft.tolist() == [1, 1, 1, 1, 0.75, 0.25, 0, 0]
    for wrong in ("class=A", "class=A@", "size=A@0:1", "class=C@0:1", "class=A@0:2"):
        with pytest.raises(UsageError):
            region_of(wrong, columns)


def test_regions_of_a_file_are_made_under_their_own_conditions(run, files, monkeypatch):
    """Behind the guidances of the model; what is not selected stays as it is."""
    seen, bound = [], Stitch.bind

    def watched(self, *args, **settings):
        seen.append((self.options.regions, self.options.soft))
        return bound(self, *args, **settings)

    monkeypatch.setattr(Stitch, "bind", watched)
    model, regions = load(str(run)), "class=left@0:0.5; class=above@0.5:1,:;"
    settings = {"regions": regions, "fade": 0.1, "each": 1, "steps": 2}
    (whole,) = model.edit("stitch", files[:1], right=8, **settings)
    assert seen == [(("class=left@0:0.5", "class=above@0.5:1,:"), 0.1)]
    assert whole.shape == (3, 8, 16)
    (part,) = model.edit("stitch", files[:1], region=":,:4", strength=0.5, **settings)
    assert (part.transpose(1, 2, 0)[:, 4:] == read(files[0])[:, 4:]).all()
    assert not (part.transpose(1, 2, 0)[:, :4] == read(files[0])[:, :4]).all()
    with pytest.raises(UsageError, match="stitch needs regions"):
        model.edit("stitch", files[:1], steps=2)


class Labels:
    """A denoiser whose estimate is the label."""

    def signals(self, cond):
        return cond["class"]

    def __call__(self, x, sigma, signals, mask=None):
        return signals.to(x.dtype)[:, None, None, None].expand_as(x)


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


def test_soft_edges_fall_to_nothing_over_their_width():
    marks = np.zeros((1, 9), bool)
    marks[0, 4] = True
    soft = softened(marks, (0, 3))[0]
    assert soft == pytest.approx([0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0])
    square = softened(np.pad([[True]], 2), (1, 1))
    assert square[0].tolist() == [0] * 5, "corners are as far as the way along both axes"
    assert square[1].tolist() == [0, 0, 0.5, 0, 0]


class Sums(Representation):
    """Each entry is the sum of two neighbours, as a frame of a spectrum depends on its samples."""

    shape, space = (1, 7), Euclidean()

    def measure(self, raw):
        return {}

    def encode(self, raw: Batch) -> Batch:
        return Batch(raw.x[..., 1:] + raw.x[..., :-1])

    def decode(self, batch: Batch) -> Batch:
        return batch


def test_entries_are_kept_that_depend_on_kept_ones_alone():
    observed = torch.tensor([True, True, True, False, True, True, True, True])[None, None]
    x = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    raw = Batch(x, observed=observed)
    found = encoded(Sums(), raw).observed
    assert found[1, 0].tolist() == [True, True, False, False, True, True, True]
    with pytest.raises(UsageError, match="nothing would be kept"):
        encoded(Sums(), Batch(raw.x, observed=torch.tensor([True, False] * 4)[None, None]))


class Normalised(Sums):
    """All entries change a little when one does, as behind a normalisation."""

    def encode(self, raw: Batch) -> Batch:
        x = super().encode(raw).x
        return Batch(x + 0.01 * x.mean(2, keepdim=True))


def test_entries_are_kept_that_hardly_depend_on_what_is_hidden():
    observed = torch.tensor([True, True, True, False, True, True, True, True])[None, None]
    found = encoded(Normalised(), Batch(torch.randn(1, 1, 8), observed=observed)).observed
    assert found[0, 0].tolist() == [True, True, False, False, True, True, True]


def test_soft_entries_come_free_late():
    x0, shares = torch.zeros(1, 4), torch.tensor([[0.0, 0.3, 0.7, 1.0]])
    sigmas = [8.0, 4.0, 2.0, 1.0, 0.0]
    denoise = keeping_softly(lambda x, _: x + 1, Euclidean(), x0, shares, sigmas)
    free = [denoise(x0, sigma)[0].tolist() for sigma in sigmas[:-1]]
    assert free == [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 1, 1], [0, 1, 1, 1]]


def test_what_is_made_follows_the_gradient_of_what_is_kept():
    rng = torch.Generator().manual_seed(0)
    x, x0 = torch.randn(2, 4, generator=rng), torch.randn(2, 4, generator=rng)
    observed = torch.tensor([[True, True, False, False]])
    mixing = torch.randn(4, 4, generator=rng) / 4

    denoise = following(lambda x, _: x @ mixing, lambda x: torch.where(observed, x0, x))
    found = denoise(x, 0.8)
    variance = 1 / (1 / 0.8**2 + 1 / 0.5**2)
    error = torch.where(observed, x @ mixing - x0, 0.0)
    assert torch.allclose(found, x @ mixing - 0.8**2 / variance * error @ mixing.T, atol=1e-5)


def test_a_steep_network_changes_what_is_made_by_no_more_than_its_error_allows():
    x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    found = following(lambda x, _: 50 * x, torch.zeros_like)(x, 80.0)
    change, error = (found - 50 * x).norm(dim=1), (50 * x).norm(dim=1)
    assert torch.allclose(change, MOST * error, rtol=1e-4)


class Remembers:
    """A denoiser that adds half of what it remembers."""

    def __init__(self):
        self.memories = []

    def signals(self, cond):
        return Signals()

    def null(self, cond):
        return {}

    def __call__(self, x, sigma, signals, mask=None):
        return self.remember(x, sigma, signals, mask)[0]

    def remember(self, x, sigma, signals, mask=None):
        self.memories.append(signals.memory)
        x0 = x / 2 if signals.memory is None else x / 2 + signals.memory / 2
        return x0, x0


def test_gradients_end_with_the_step_of_a_network_that_remembers():
    model = Remembers()
    denoise = following(bind(model, {}), torch.zeros_like)
    for sigma in (2.0, 1.0):
        denoise(torch.ones(1, 3), sigma)
    assert model.memories[0] is None
    assert not model.memories[1].requires_grad


def test_soft_edges_are_mixed_and_the_rest_is_exact():
    modality = Registry.load_all()
    made, example = np.full((1, 3), 100, np.uint8), np.array([[0, 50, 255]], np.uint8)
    image = modality.load(modality.modality("image"))(None)
    mixed = image.put_back(made, example, np.array([[1, 0.5, 0]], np.float32))
    assert mixed.tolist() == [[100, 75, 255]]
    assert mixed.dtype == np.uint8


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
    _, marks = selecting("audio", example, rate, span=":0.01,0.2:0.21")
    assert marks[0].nonzero()[0].tolist() == [*range(10), *range(200, 210)]
    longer, marks = selecting("audio", example, rate, before=0.1, after=0.05)
    assert longer.shape == (1, 950)
    assert marks.sum() == 150


def test_a_phase_is_found_that_fits_what_is_known():
    frames = Frames(16, 64)
    sound = torch.sin(torch.arange(1024) * 0.3) / 2
    known = torch.ones(1024, dtype=torch.bool)
    known[400:600] = False
    bands, bank = frames.transform(sound[None]).abs(), torch.eye(frames.bins)
    found = griffin_lim(bands, bank, frames, 32, (sound[None], known[None]))[0]
    whole = [(32767 * one).short().numpy()[None] for one in (found, sound)]
    made = torch.from_numpy(joined(*whole, ~known.numpy()[None], 8000)[0] / 32767)
    assert (made - sound)[known].abs().max() < 1e-4
    alone = griffin_lim(bands, bank, frames, 32)[0]
    jump = (made[[400, 600]] - made[[399, 599]]).abs().max()
    assert jump < 0.2, "no click at the joins"
    assert (made - sound).abs().max() < 0.25 < (alone - sound).abs().max()


def test_a_made_part_meets_the_known_samples_beside_it():
    t = np.arange(2000)
    known = (9000 * np.sin(t * 0.05)).astype(np.int16)[None]
    made = (9000 * np.sin(t * 0.05 + 1.5)).astype(np.int16)[None]
    marks = np.zeros((1, 2000), bool)
    marks[:, 700:1300] = True
    found = joined(made, known, marks, 8000)
    steps = np.abs(np.diff(found[0].astype(int)))
    plain = np.abs(np.diff(np.where(marks, made, known)[0].astype(int)))
    assert (found[~marks] == known[~marks]).all()
    assert (found[:, 800:1200] == made[:, 800:1200]).all()
    assert plain[[699, 1299]].min() > 3000, "it would click"
    assert steps.max() < 1200, "no step is larger than those of the loudest of the two together"


def test_a_clip_is_selected_by_frames_and_region(tmp_path):
    example = np.zeros((5, 3, 4, 4), np.uint8)
    _, marks = selecting("video", example, {}, frames="1:3", region=":2,:")
    assert marks.shape == (5, 1, 4, 4)
    assert marks.sum() == 2 * 2 * 4
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(tmp_path / "mask.png")
    _, marks = selecting("video", example, {}, frames=":1,4:", mask=str(tmp_path / "mask.png"))
    assert [int(frame.sum()) for frame in marks] == [4, 0, 0, 0, 4]
    longer, marks = selecting("video", example, {}, after=2)
    assert longer.shape[0] == 7
    assert marks[5:].all()


def test_frames_that_are_kept_whole_are_given_to_a_model_that_knows_given_frames():
    description = Description(
        (4, 3, 2, 2), "uint8", 1, conditions={GIVEN: ChannelsColumn(GIVEN, width=4)}
    )
    observed = torch.ones(1, 4, 1, 2, 2, dtype=torch.bool)
    observed[:, 2] = False
    observed[:, 3, :, 0] = False
    clip = torch.zeros(1, 4, 3, 2, 2, dtype=torch.uint8)
    like = ClipFrames(None, description).encode(
        Batch(clip, {GIVEN: torch.zeros(1, 4)}, observed=observed)
    )
    assert like.cond[GIVEN][0, -1, :, 0, 0].tolist() == [1, 1, 0, 0]
    assert not like.noise_free, "a part of a frame is kept, which the network is not shown"
    assert like.observed[0, 0, :, 1, 0].tolist() == [True, True, False, True]
    whole = observed.all(-1, keepdim=True).all(-2, keepdim=True)
    like = ClipFrames(None, description).encode(
        Batch(clip, {GIVEN: torch.zeros(1, 4)}, observed=whole)
    )
    assert like.noise_free, "so that nothing is followed"
    longer = ClipFrames(None, description).encode(
        Batch(clip, {GIVEN: torch.zeros(1, 2)}, observed=whole)
    )
    assert torch.equal(longer.cond[GIVEN], like.cond[GIVEN]), "the template had fewer frames"


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


def test_a_molecule_goes_back_to_where_its_kept_atoms_are():
    example = np.array([[5, 0, 0, 6, 0], [6, 0, 0, 6, 0], [7, 0, 0, 7, 0]], np.float32)
    made = example + np.array([1, 2, 3, 0, 0], np.float32)
    made[2, 0] += 1
    back = put_back(made, example, np.array([[False], [False], [True]]))
    assert (back[:2] == example[:2]).all()
    assert back[2].tolist() == [8, 0, 0, 7, 0]


def test_sheets_show_what_is_selected(tmp_path):
    water = np.array([[0, 0, 0.12, 8, 0], [0, 0.76, -0.48, 1, 0], [0, -0.76, -0.48, 1, 0]])
    yet = np.vstack([water, np.zeros((1, 5))]).astype(np.float32)
    rings = np.asarray(molecules([yet], marks=[np.array([[0], [0], [0], [1]], bool)])).astype(int)
    plain = np.asarray(molecules([yet])).astype(int)
    blue = (rings[..., 2] > 240) & (rings[..., 0] < 90)
    assert blue.any()
    assert not ((plain[..., 2] > 240) & (plain[..., 0] < 90)).any()
    sound, marks = np.zeros((1, 8000), np.int16), np.zeros((1, 8000), bool)
    marks[:, 4000:] = True
    tinted, bare = (
        np.asarray(Image.open(BytesIO(sounds([sound], 8000, ["a"], some))).convert("RGB"))
        for some in ([marks], [None])
    )
    changed = (tinted != bare).any((0, 2))
    assert changed.sum() == pytest.approx(480 / 2, abs=2), "half of the sound's width"
    assert not changed[: changed.argmax()].any()


def test_by_default_what_is_selected_is_even():
    shown = []

    class Plain(Modality):
        scan = read = write = None

        def preview(self, examples, stem, titles=()):
            shown.extend(examples)
            return stem

    Plain.__abstractmethods__ = frozenset()
    marks = np.array([[True, False, False, False]])
    Plain(None).overlay([np.array([[9, 1, 2, 3]])] * 2, [marks, None], Path("x"))
    assert [one.tolist() for one in shown] == [[[2, 1, 2, 3]], [[9, 1, 2, 3]]]


def test_atoms_are_selected_by_a_pattern():
    pytest.importorskip("rdkit")
    water = np.array([[0, 0, 0.12, 8, 0], [0, 0.76, -0.48, 1, 0], [0, -0.76, -0.48, 1, 0]])
    example = water.astype(np.float32)
    _, marks = selecting("molecule", example, {}, smarts="[#1]")
    assert marks[:, 0].tolist() == [False, True, True]
    for wrong, said in (("[#", "is not a SMARTS"), ("[Au]", "matches no atom")):
        with pytest.raises(UsageError, match=said):
            selecting("molecule", example, {}, smarts=wrong)


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
    assert info["edited_from_checksum"] == checksum(files[0])


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


def test_invert_makes_the_file_again(run, files):
    (again,) = load(str(run)).edit("invert", files[:1], each=1, steps=20, iterations=8)
    assert np.abs(again.transpose(1, 2, 0).astype(int) - read(files[0])).mean() < 4


def test_interpolate_goes_from_one_to_the_other(run, files):
    between = load(str(run)).edit("interpolate", files, each=3, steps=12, iterations=7)
    error = [
        [np.abs(one.transpose(1, 2, 0).astype(int) - read(file)).mean() for one in between]
        for file in files
    ]
    assert np.argmin(error[0]) == 0, "the first result is nearest to the first file"
    assert np.argmin(error[1]) == 2


def test_between_two_seeds_the_ends_are_their_samples(run):
    model = load(str(run))
    way = model.edit("interpolate", [], each=3, seeds=[3, 7], cond={"class": "left"}, steps=3)
    for made, seed in ((way[0], 3), (way[2], 7)):
        (sampled,) = model.sample(1, seed=seed, cond={"class": "left"}, steps=3, sampler="euler")
        assert np.abs(made.astype(int) - sampled).max() <= 1


def test_a_way_leads_from_one_condition_to_another(run, files, monkeypatch):
    model, seen, begun = load(str(run)), [], Between.__init__

    def watched(self, denoiser, others, weights):
        seen.append((others["class"].tolist(), weights.tolist()))
        begun(self, denoiser, others, weights)

    monkeypatch.setattr(Between, "__init__", watched)
    settings = {"each": 3, "steps": 4, "iterations": 2}
    way = model.edit("interpolate", files[:1], to={"class": ["left", "above"]}, **settings)
    assert seen == [([0, 0, 0], [0.0, 0.5, 1.0])], "the second condition, and how far towards it"
    for number, name in ((0, "left"), (2, "above")):
        alone = model.edit("interpolate", files[:1] * 2, to={"class": name}, **settings)
        assert np.abs(way[number].astype(int) - alone[number]).max() <= 1


def test_signals_are_mixed_and_what_is_not_given_stays_so():
    class Embedded(Labels):
        def signals(self, cond):
            return Signals(vector=cond["class"][:, None].float())

        def null(self, cond):
            return {"class": torch.full_like(cond["class"], -1)}

    found = Between(Embedded(), {"class": torch.tensor([4, 4])}, torch.tensor([0.25, 1.0]))
    both = found.signals({"class": torch.tensor([0, 0, -1, -1])})
    assert both.vector[:, 0].tolist() == [1, 4, -1, -1]
    short = Signals(tokens=torch.ones(1, 2, 3))
    long = Signals(
        tokens=torch.zeros(1, 4, 3), token_mask=torch.tensor([[True, True, True, False]])
    )
    two = mixed(short, long, torch.tensor([0.5]))
    assert two.tokens[0, :, 0].tolist() == [0.5, 0.5, 0, 0]
    assert two.token_mask[0].tolist() == [True, True, True, False]


def test_interpolation_is_written_as_a_clip(run, files, tmp_path, capsys):
    words = ["interpolate", "-n", "3", "--steps", "8", "--clip", "--json"]
    assert call("edit", str(run), *map(str, files), *words, "-o", str(tmp_path / "out")) == 0
    made = json.loads(capsys.readouterr().out)
    with Image.open(made["clip"]) as clip:
        assert clip.n_frames == 4, "there and back"  # equal pictures would be one
        assert (np.asarray(clip) == read(made["samples"][0]["path"])).all()


def test_a_picture_is_extended(run, files):
    model = load(str(run))
    (larger,) = model.edit("extend", files[:1], each=1, right=4)
    assert larger.shape == (3, 8, 12)
    assert (larger[:, :, :8].transpose(1, 2, 0) == read(files[0])).all()


def test_a_model_that_was_trained_with_masks_meets_what_is_given_without_noise(
    files, tmp_path, monkeypatch
):
    sets = ['conditions.class.use="label"', "modality.augment=0", 'train.mask="random"']
    model = load(str(train(tmp_path / "run", *small_run(4, sets))))
    seen, forward = [], Denoiser.forward

    def watched(self, x, sigma, cond, mask=None):
        seen.append((x, cond.channels))
        return forward(self, x, sigma, cond, mask)

    monkeypatch.setattr(Denoiser, "forward", watched)
    model.sample(1, steps=2, guidance=1)
    assert all((channel == 0).all() for _, channel in seen), "nothing is given"
    seen.clear()
    (made,) = model.edit("fill", files[:1], each=1, region="0:4,:", steps=2, guidance=1)
    picture = torch.from_numpy(read(files[0]).transpose(2, 0, 1) / 127.5 - 1).float()
    for x, channel in seen:
        assert torch.allclose(x[0, :, 4:], picture[:, 4:], atol=1e-6)
        assert (channel[0, -1] == torch.tensor([0.0, 1.0]).repeat_interleave(4)[:, None]).all()
        assert torch.allclose(channel[0, :-1, 4:], 2 * picture[:, 4:], atol=1e-6)
        assert (channel[0, :-1, :4] == 0).all()
    assert (made.transpose(1, 2, 0)[4:] == read(files[0])[4:]).all()


def test_whole_examples_are_told_to_have_nothing_given():
    batch = Batch(torch.randn(2, 3, 4, 4))
    assert told({}, batch) is batch, "a model without masks is told nothing"
    channel = told({MASK: mask_column(4)}, batch).cond[MASK]
    assert channel.shape == (2, 4, 4, 4)
    assert (channel == 0).all()


def test_the_masks_of_training_are_boxes_in_half_of_the_examples():
    marks = random_marks((4000, 3, 8, 8), Stream(0, "marks"))
    assert marks.shape == (4000, 1, 8, 8)
    given = marks.flatten(1).any(1)
    assert float(given.float().mean()) == pytest.approx(0.45, abs=0.06)
    alone = random_marks((4000, 3, 8, 8), Stream(0, "marks"))
    assert torch.equal(marks, alone)
    rows = marks[given][:, 0]
    edges = (rows[:, 1:] != rows[:, :-1]).any(2).sum(1)
    assert edges.max() <= 2, "a box has two ends"


@pytest.mark.parametrize(("distance", "links"), [(2.5, 1), (3.8, 2), (5.0, 3), (1.5, 1)])
@pytest.mark.parametrize("hydrogens", [True, False])
def test_a_linker_has_as_many_atoms_as_the_distance_of_the_parts_takes(distance, links, hydrogens):
    """Two ethyls in a row, which face each other."""
    x = [0.0, 1.5, 1.5 + distance, 3.0 + distance]
    example = np.zeros((4, 5), np.float32)
    example[:, 0], example[:, 3] = x, 6
    if hydrogens:
        one = np.zeros((1, 5), np.float32)
        one[0, :4] = -0.4, 1.0, 0, 1
        example = np.concatenate((example, one))
    if distance > 2:
        larger, marks = selecting("molecule", example, {}, add="auto")
        assert len(larger) - len(example) == links * (3 if hydrogens else 1)
        assert marks.sum() == len(larger) - len(example)
    else:
        with pytest.raises(UsageError, match="the molecule has 1"):
            selecting("molecule", example, {}, add="auto")


def test_doubt_is_what_is_taken_away_and_zero_at_a_mode():
    x = torch.stack((torch.zeros(4), torch.ones(4), 3 * torch.ones(4)))
    shares = torch.tensor(LEVELS)
    expected = (shares / (1 + shares**2)).square().mean() * torch.tensor([0.0, 1.0, 9.0])
    found = doubt(lambda x, sigma: x / (1 + sigma**2), x, Euclidean())
    assert torch.allclose(found, expected, rtol=1e-4)


def test_the_likeliest_of_several_is_the_result(run, files, monkeypatch):
    """Among those that are made one by one, whatever the batch."""
    model, seen = load(str(run)), []

    def third(denoise, x, space, mask):
        seen.append(len(x))
        return torch.tensor([2.0, 1.0, 0.0, 3.0, 0.0, 1.0])[: len(x)]

    monkeypatch.setattr("difftool.engine.solving.doubt", third)
    settings = {"region": "0:4,:", "steps": 2}
    six = model.edit("fill", files[:1], each=6, **settings)
    assert not seen, "nothing is judged that is not chosen"
    two = model.edit("fill", files[:1], each=2, best_of=3, **settings)
    assert seen == [6]
    assert all((one == other).all() for one, other in zip(two, (six[2], six[4]), strict=True))


def test_a_model_of_given_frames_changes_whole_clips_too():
    """Of which the representation says that nothing is given."""
    x = torch.randn(1, 2, 3)
    like = Batch(x, observed=torch.zeros(1, 1, 3, dtype=torch.bool))
    stage = SimpleNamespace(
        description=SimpleNamespace(conditions={}),
        representation=SimpleNamespace(space=Euclidean()),
    )
    editing = Editing(Vary(VaryOptions()), [x[0].numpy()], [None])
    denoise = Beginning(stage, editing, 0, 0, [0], like, like, SIGMAS).keep(gaussian)
    assert torch.equal(denoise(x, 1.0), gaussian(x, 1.0))


@pytest.mark.parametrize(
    ("method", "expected"),
    [("auto", [True, False]), ("guidance", [True, True]), ("keep", [False, False])],
)
def test_only_what_is_known_entry_by_entry_is_followed_unless_asked(method, expected):
    grid, points = (
        SimpleNamespace(
            description=SimpleNamespace(conditions={}),
            representation=SimpleNamespace(space=space),
        )
        for space in (Euclidean(), Centred())
    )
    editing = Editing(Fill(FillOptions(method=method)), [], [])
    assert [follows(stage, editing) for stage in (grid, points)] == expected


def test_fragments_of_molecules_are_given_without_what_is_nearest_to_an_atom():
    rng = torch.Generator().manual_seed(0)
    positions = torch.randn(4000, 9, 3, generator=rng)
    mask = (torch.arange(9) < torch.arange(4000)[:, None] % 5 + 5)[..., None]
    given = fragments(positions, mask, Stream(0, "marks"))
    assert given.shape == (4000, 9, 1)
    assert not (given & ~mask).any(), "padding is not given"
    some = given.flatten(1).any(1)
    assert float(some.float().mean()) == pytest.approx(0.5, abs=0.06)
    assert (given.sum((1, 2)) < mask.sum((1, 2))).all(), "something is missing"
    lengths = (positions[:, :, None] - positions[:, None]).norm(dim=-1)

    def is_ball(part, real, far):
        return any(far[a][part].max() < far[a][real & ~part].min() for a in part.nonzero()[:, 0])

    for number in some.nonzero()[:100, 0]:
        one, real, far = given[number, :, 0], mask[number, :, 0], lengths[number]
        assert is_ball(real & ~one, real, far) or is_ball(one, real, far)


def test_points_are_shown_the_mask_alone():
    batch = Batch(torch.randn(2, 5, 8), observed=torch.arange(5)[None, :, None] < 2)
    shown = told({MASK: mask_column(1)}, batch)
    assert shown.cond[MASK].tolist() == [[[1, 1, 0, 0, 0]]] * 2
    assert shown.noise_free
    assert not told({MASK: mask_column(1)}, Batch(batch.x)).cond[MASK].any()


def test_a_looped_picture_keeps_its_middle(run, files):
    (tile,) = load(str(run)).edit("loop", files[:1], each=1, width=0.5, steps=3)
    same = (tile.transpose(1, 2, 0) == read(files[0])).all(2)
    assert same[2:6, 2:6].all()
    assert not same[[0, 1, 6, 7]].all(1).any()


def test_a_new_tile_goes_on_where_it_ends_along_both_axes(run, files, monkeypatch):
    seen = []
    monkeypatch.setattr(
        Circular,
        "remember",
        lambda self, x, *_: (torch.zeros_like(x), seen.append(self._axes)),
    )
    (tile,) = load(str(run)).edit("loop", files[:1], each=1, width=1, steps=2)
    assert set(seen) == {(2, 3)}
    assert tile.shape == (3, 8, 8)


def test_restored_from_fewer_pixels_it_agrees_with_the_file(run, files, tmp_path):
    model = load(str(run))
    small = read(files[0]).reshape(4, 2, 4, 2, 3).mean((1, 3)).repeat(2, 0).repeat(2, 1)
    Image.fromarray(small.round().astype(np.uint8)).save(tmp_path / "low.png")
    for settings in ({}, {"average": 2}):
        made = model.edit("restore", [tmp_path / "low.png"], by="lower", steps=5, **settings)
        assert len(made) == 1
        again = made[0].transpose(1, 2, 0).reshape(4, 2, 4, 2, 3).mean((1, 3))
        assert np.abs(again.repeat(2, 0).repeat(2, 1) - small).mean() < 12
    guided = model.edit("restore", [tmp_path / "low.png"], by="blur", method="guidance", steps=3)
    assert guided[0].shape == (3, 8, 8)


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
        (["extend"], "nothing is added"),
        (["vary", "--to", "class=dog"], "dog"),
        (["interpolate"], "only one was given. Name two files"),
        (["interpolate", "--seeds", "1,2"], "Leave out the files, or --seeds"),
        (["paint"], "paint is not an edit. The last word is one of: extend, fill"),
        (["vary", "--strength", "2"], "strength"),
    ],
)
def test_what_has_no_meaning_is_refused_in_a_sentence(run, files, tmp_path, capsys, words, said):
    code = call("edit", str(run), str(files[0]), *words, "-o", str(tmp_path / "out"))
    assert code == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_a_dry_run_tints_the_selection(run, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call("edit", str(run), str(files[0]), "fill", "--region", "0:4,:", "--dry-run") == 0
    sheet = read(capsys.readouterr().out.strip()).astype(int)
    cell = sheet[8:-8, 8:-8].reshape(-1, 3)[: 90 * (sheet.shape[1] - 16)]
    plain = read(files[0]).astype(int)
    assert not (cell[:5] == plain[0, 0]).all(), "the upper half is another colour"
    assert [path.name for path in tmp_path.iterdir()] == ["selection.png"]
