"""Sound through the engine: exact resume, samples of any length, and the laws of samplers on encoded sound, padding and all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from difftool import DataError, Streams
from difftool.assemble import build_stage, load_stage, open_dataset, require_examples
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
from difftool_audio.options import AudioRequest

from .conftest import write_tone

RATE = 4000
REPRESENTATIONS = ("spectrogram", "waveform", "stft")
SETS = [
    "backbone.channels=8",
    "backbone.multipliers=[1,2]",
    "backbone.factors=[2]",
    "backbone.embedding=16",
    "modality.seconds=0.6",
    "modality.timing=true",
    "conditions.loudness.use=number",
    "train.steps=4",
    "train.batch=4",
    "train.preview=0",
    "train.save_every=2",
    'train.precision="fp32"',
    'train.device="cpu"',
    "sample.steps=3",
]


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """Eight tones of 0.1 to 0.8 s at 4 kHz, some longer than what is trained on and some shorter; how loud each is stands in the metadata."""
    folder, rows = tmp_path_factory.mktemp("sounds"), ["file_name,loudness"]
    for i in range(8):
        write_tone(folder / f"{i}.wav", 0.1 * (i + 1), RATE, 200 + 50 * i)
        rows.append(f"{i}.wav,{i}")
    (folder / "metadata.csv").write_text("\n".join(rows))
    return folder


def train(data: Path, path: Path, representation: str, stops: list[int]) -> RunFolder:
    """Train to the end, as if interrupted after these steps and resumed."""
    parts, use = Registry.load_all(), f"audio/{representation}"
    sets = [*SETS, *(["representation.mels=24"] if representation == "spectrogram" else [])]
    config = resolve(
        use, gather(parts, use, sets=[f'data.path="{data}"', *sets], project=None), parts
    )
    for resume, stop_at in enumerate([*stops, 10**9]):
        measured = RunFolder.open(path).description().measured if resume else None
        settled, dataset = open_dataset(config, parts, measured=measured)
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


@pytest.fixture(scope="module", params=REPRESENTATIONS)
def trained(request, sounds, tmp_path_factory):
    return train(sounds, tmp_path_factory.mktemp("run") / request.param, request.param, [])


def test_a_stopped_run_ends_as_one_left_alone(trained, sounds, tmp_path):
    """Random parts, padding, what was measured: all of it comes back to the bit."""
    again = train(sounds, tmp_path / "again", trained.path.name, [2])
    one, other = (
        load_checkpoint(folder.path / "checkpoints" / "00000004.safetensors")[0]
        for folder in (trained, again)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def made(folder: RunFolder, n: int = 6, **wishes) -> list:
    stage = load_stage(folder.model_path, Registry.load_all(), device="cpu")
    return list(generate(stage, SampleRequest(n=n, steps=3, **wishes)))


def test_samples_have_the_lengths_of_the_data_or_the_one_asked_for(trained):
    lengths = [one.example.shape for one in made(trained)]
    assert all(channels == 1 and 400 <= n <= 2400 for channels, n in lengths)
    assert len(set(lengths)) > 1
    for seconds in (0.1, 0.3333, 1.5):
        assert {
            one.example.shape for one in made(trained, 2, shape=AudioRequest(seconds=seconds))
        } == {(1, round(seconds * RATE))}


def test_a_sample_does_not_depend_on_the_length_of_its_neighbours(trained):
    together, alone = made(trained), made(trained, batch=1)
    assert [one.example.shape for one in together] == [one.example.shape for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert (
            np.abs(one.example.astype(int) - other.example).max() <= 3
        )  # of 32768: batched kernels round otherwise


def test_the_place_in_a_recording_is_told_and_can_be_asked_for(trained):
    usual = made(trained, 2, shape=AudioRequest(seconds=0.5))
    assert [(one.cond["seconds_start"], one.cond["seconds_total"]) for one in usual] == [
        (0, 0.5)
    ] * 2
    assert all(0 <= one.cond["loudness"] <= 7 for one in usual)
    asked = made(
        trained, 1, cond={"seconds_start": ["0.25"], "seconds_total": ["0.75"], "loudness": ["3"]}
    )
    assert asked[0].cond == {"seconds_start": 0.25, "seconds_total": 0.75, "loudness": 3}


@pytest.mark.parametrize(
    "sampler",
    ["ddpm", "ddim", "euler", "euler_ancestral", "heun", "dpmpp_2m", "dpmpp_2m_sde", "pndm"],
)
def test_samplers_keep_their_laws_on_encoded_sound(trained, sampler):
    """They scale and add: padding stays zero, and for Gaussian data the solution is the known one."""
    stage = load_stage(trained.model_path, Registry.load_all(), device="cpu")
    space, rng = stage.representation.space, Streams(0, "law", range(4))
    like = stage.representation.encode(
        stage.modality.template(
            stage.description, 4, Streams(0, "template", range(4)), AudioRequest()
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
    spread = space.mean_square(x, like.mask).mean().sqrt()
    assert spread == pytest.approx(SIGMA_DATA, rel=0.1)
    if sampler in ("heun", "dpmpp_2m"):
        torch.testing.assert_close(x, noise * SIGMA_DATA, atol=0.02, rtol=0.02)


def test_one_long_recording_is_enough_and_one_short_one_is_not(tmp_path):
    parts = Registry.load_all()
    for name, seconds in (("long", 5.0), ("short", 0.5)):
        write_tone(tmp_path / name / "a.wav", seconds, RATE)
        config = resolve(
            "audio",
            gather(parts, "audio", sets=[f'data.path="{tmp_path / name}"'], project=None),
            parts,
        )
        _, dataset = open_dataset(config, parts)
        if name == "short":
            with pytest.raises(DataError, match="at least 2"):
                require_examples(dataset)
        else:
            require_examples(dataset)
