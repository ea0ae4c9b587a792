"""Clips through the engine: exact resume, any number of frames, given frames kept, padding, and the weights of an image run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from difftool import Streams
from difftool.assemble import build_stage, load_stage, open_dataset
from difftool.assemble.inherit import inherit
from difftool.config import gather, resolve
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.device import choose_device
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.plugin.registry import Registry
from difftool.testing.parts import load
from difftool.testing.sampler import SIGMA_DATA, gaussian_denoise
from difftool_video.options import VideoRequest

from .conftest import moving, save, save_pictures

NETWORK = [
    "backbone.channels=8",
    "backbone.multipliers=[1,2]",
    "backbone.embedding=16",
    "backbone.blocks=1",
    "backbone.patch=2",
]
ENGINE = [
    "train.steps=4",
    "train.batch=4",
    "train.preview=0",
    "train.save_every=2",
    'train.precision="fp32"',
    'train.device="cpu"',
    "sample.steps=3",
]
SETS = [
    *NETWORK,
    *ENGINE,
    "modality.size=8",
    "modality.frames=6",
    "modality.flip=true",
    "modality.stills=0.3",
    "modality.given=ends",
]


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Eight clips of 3 to 10 frames in two classes: some longer than what is trained on and some shorter."""
    folder = tmp_path_factory.mktemp("videos")
    for i in range(8):
        save(
            folder / ("even", "odd")[i % 2] / f"{i}.mkv",
            moving(3 + i, 8, 8, seed=i),
            pix_fmt="bgr0",
        )
    return folder


def train(
    use: str, data: Path, path: Path, sets: list[str], stops: tuple[int, ...] = ()
) -> RunFolder:
    """Train to the end, as if interrupted after these steps and resumed."""
    parts = Registry.load_all()
    config = resolve(
        use, gather(parts, use, sets=[f'data.path="{data}"', *sets], project=None), parts
    )
    for resume, stop_at in enumerate([*stops, 10**9]):
        settled, dataset = open_dataset(config, parts)
        stage = build_stage(
            settled, parts, dataset.description, choose_device("cpu"), dataset.modality
        )
        folder = (
            RunFolder.open(path)
            if resume
            else RunFolder.create(path, settled.to_toml(), dataset.description, dataset.source)
        )
        done = [0]
        for progress in fit(
            stage,
            dataset,
            folder,
            resume=bool(resume),
            stop=lambda at=stop_at, done=done: done[0] + 1 >= at,
        ):
            done[0] = progress.step
    return folder


@pytest.fixture(scope="module")
def trained(videos, tmp_path_factory):
    return train("video", videos, tmp_path_factory.mktemp("run") / "video", SETS)


def made(folder: RunFolder, n: int = 6, **wishes) -> list:
    stage = load_stage(folder.model_path, Registry.load_all(), device="cpu")
    return list(generate(stage, SampleRequest(n=n, steps=3, **wishes)))


def test_a_stopped_run_ends_as_one_left_alone(trained, videos, tmp_path):
    """Random clips, mirrors, single frames, given frames, padding: all of it comes back to the bit."""
    again = train("video", videos, tmp_path / "again", SETS, (2,))
    one, other = (
        load_checkpoint(folder.path / "checkpoints" / "00000004.safetensors")[0]
        for folder in (trained, again)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_samples_have_the_lengths_of_the_data_or_any_that_is_asked_for(trained):
    lengths = {len(one.example) for one in made(trained, 12)}
    assert lengths <= {3, 4, 5, 6}
    assert len(lengths) > 1
    for frames in (1, 2, 13):
        assert made(trained, 1, shape=VideoRequest(frames=frames))[0].example.shape == (
            frames,
            3,
            8,
            8,
        )


def test_a_sample_does_not_depend_on_the_length_of_its_neighbours(trained):
    together, alone = made(trained), made(trained, batch=1)
    for one, other in zip(together, alone, strict=True):
        assert one.example.shape == other.example.shape
        assert (
            np.abs(one.example.astype(int) - other.example).max() <= 1
        )  # batched kernels round otherwise


def test_given_frames_are_kept_to_the_byte_and_change_the_others(trained, videos, tmp_path):
    stage = load_stage(trained.model_path, Registry.load_all(), device="cpu")
    paths = [
        videos / "even" / "6.mkv",
        save(tmp_path / "a.mkv", moving(9, 8, 8, seed=99), pix_fmt="bgr0"),
    ]
    clips = [stage.modality.read(item) for path in paths for item in stage.modality.scan(path)]
    wishes = [
        VideoRequest(first_frames=str(path), last_frames=str(path), given=2, frames=8)
        for path in paths
    ]
    with torch.no_grad():
        for parameter in (
            stage.denoiser.parameters()
        ):  # what starts at zero has learnt next to nothing in four steps
            parameter.add_(0.05)
    one, other = (
        next(generate(stage, SampleRequest(n=1, steps=3, shape=wish))).example for wish in wishes
    )
    for sample, clip in ((one, clips[0]), (other, clips[1])):
        assert np.array_equal(sample[:2], clip[:2])
        assert np.array_equal(sample[-2:], clip[-2:])
    assert not np.array_equal(one[2:-2], other[2:-2])


@pytest.mark.parametrize(
    "sampler",
    ["ddpm", "ddim", "euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "pndm"],
)
def test_samplers_keep_their_laws_on_clips_with_padding(trained, sampler):
    """They scale and add: padding stays zero, and for Gaussian data the solution is the known one."""
    stage = load_stage(trained.model_path, Registry.load_all(), device="cpu")
    space, rng = stage.representation.space, Streams(0, "law", range(8))
    like = stage.representation.encode(
        stage.modality.template(
            stage.description, 8, Streams(0, "template", range(8)), VideoRequest()
        )
    )
    assert like.mask is not None
    assert not like.mask.all()
    noise, sigmas = space.noise(like.x.shape, rng, like.mask), stage.process.schedule.sigmas(200)
    function, knobs = load("sampler", sampler)
    steps = function(
        gaussian_denoise,
        noise * sigmas[0],
        sigmas,
        lambda sigma, sigma_next: space.noise(like.x.shape, rng, like.mask),
        **knobs.model_dump(),
    )
    x = list(steps)[-1].x
    assert not x[~like.mask.expand_as(x)].any()
    assert space.mean_square(x, like.mask).mean().sqrt() == pytest.approx(SIGMA_DATA, rel=0.1)
    if sampler in ("heun", "dpmpp_2m"):
        torch.testing.assert_close(x, noise * SIGMA_DATA, atol=0.02, rtol=0.02)


def test_from_an_image_run_a_new_model_denoises_every_frame_as_that_one_does(videos, tmp_path):
    """The whole D, through the files of a real image run (Blattmann et al. 2023, arXiv:2304.08818)."""
    for name in ("even", "odd"):
        save_pictures(tmp_path / "pictures" / name, moving(12, 8, 8), name=f"{name}{{}}.png")
    engine = [*ENGINE, 'density.use="lognormal"', 'process.use="edm"']
    pictures = train(
        "image",
        tmp_path / "pictures",
        tmp_path / "image",
        [*NETWORK, *engine, "backbone.attention=64", "modality.channels=rgb"],
    )
    parts = Registry.load_all()
    image = load_stage(pictures.model_path, parts, device="cpu", precision="fp32")
    sets = [f'data.path="{videos}"', *SETS, "backbone.attention=64", "modality.given=none", *engine]
    config, dataset = open_dataset(
        resolve("video", gather(parts, "video", sets=sets, project=None), parts), parts
    )
    video = build_stage(config, parts, dataset.description, torch.device("cpu"), dataset.modality)
    taken, total, new, _ = inherit(video, pictures.model_path)
    assert new == ("backbone.temporal",)
    assert 0 < taken < total
    x, sigma, label = (
        torch.randn(2, 3, 5, 8, 8),
        torch.tensor([0.3, 2.0]),
        {"class": torch.tensor([1, 0])},
    )
    with torch.no_grad():
        clip = video.denoiser.eval()(x, sigma, label)
        frames = [image.denoiser.eval()(x[:, :, i], sigma, label) for i in range(5)]
        one = video.denoiser(x[:, :, 2:3], sigma, label)
    torch.testing.assert_close(clip, torch.stack(frames, 2), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(one[:, :, 0], frames[2], atol=1e-5, rtol=1e-4)
