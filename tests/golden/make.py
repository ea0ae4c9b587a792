"""Makes the files beside this script: tiny models, a stopped run, a cascade, and what they gave.

Run once, on the code of 2026-11-27 (commit 2987c7f), before the house was rebuilt:

    python tests/golden/make.py

Do not run it again to make a test green: the files stand for what users have on their disks.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from small import SETS, TWO, call

from golden.known import HERE, MODELS, SAMPLERS, arrays_of, machine, pictures_in, sampled

COMMON = (
    "train.steps=4", "train.batch=4", "train.preview=0", "train.save_every=4", 'train.precision="fp32"', 'train.device="cpu"',
    "optimizer.warmup=0", "optimizer.lr=0.01", "sample.steps=4",
)  # fmt: skip
UNET = ("backbone.channels=8", "backbone.multipliers=[1,2]", "backbone.embedding=16")
OWN = {
    "image": ("image", "--set=modality.size=8", "--set=backbone.blocks=1", "--set=backbone.attention=16"),
    "waveform": ("audio/waveform", "--set=backbone.factors=[2]", "--set=modality.seconds=0.1", "--set=modality.rate=4000"),
    "spectrogram": (
        "audio/spectrogram", "--set=backbone.factors=[2]", "--set=modality.seconds=0.3", "--set=modality.rate=4000",
        "--set=representation.mels=24",
    ),
    "video": (
        "video", "--set=backbone.blocks=1", "--set=backbone.patch=2", "--set=modality.size=8", "--set=modality.frames=6",
        "--set=modality.given=ends",
    ),
    "molecule": ("molecule", "--set=backbone.layers=2", "--set=backbone.features=16", "--set=backbone.embedding=16"),
}  # fmt: skip


def main() -> None:
    torch.set_num_threads(1)
    work = Path(tempfile.mkdtemp())
    pictures = pictures_in(work / "pictures")
    for name in MODELS:
        modality, *own = OWN[name]
        sets = [*COMMON, *(UNET if name != "molecule" else ())]
        data = [str(pictures)] if name == "image" else []
        assert (
            call(
                "train",
                "-m",
                modality,
                *data,
                "--run",
                str(work / name),
                *(f"--set={one}" for one in sets),
                *own,
            )
            == 0
        )
        shutil.copy(work / name / "model.safetensors", HERE / f"{name}.safetensors")
        found = {sampler: sampled(HERE / f"{name}.safetensors", sampler) for sampler in SAMPLERS}
        np.savez_compressed(
            HERE / f"{name}.npz",
            **{f"{s} {i}": one for s, made in found.items() for i, one in enumerate(made)},
        )
    stopped(work, pictures)
    cascade(work, pictures)
    (HERE / "machine.json").write_text(json.dumps(machine(), indent=1) + "\n")


def stopped(work: Path, pictures: Path) -> None:
    """A run that was left at step 4 of 8, and the model that it ends with."""
    from small import train

    sets = [
        *SETS,
        "train.steps=8",
        "train.save_every=4",
        "ema.power=[0.1]",
        "backbone.embedding=16",
    ]
    train(work / "whole", pictures, sets)
    train(work / "stopped", pictures, sets, stop_at=4)
    shutil.copy(work / "whole" / "model.safetensors", HERE / "resumed.safetensors")
    shutil.rmtree(HERE / "stopped", ignore_errors=True)
    shutil.copytree(work / "stopped", HERE / "stopped")
    config = HERE / "stopped" / "config.toml"
    config.write_text(config.read_text().replace(str(pictures), "PICTURES"))


def cascade(work: Path, pictures: Path) -> None:
    """A trained cascade of two stages, and its samples from the command line."""
    (work / "two.toml").write_text(TWO)
    own = [one for one in SETS if not one.startswith("modality.size")]
    own += [
        "train.steps=4",
        "ema.power=[]",
        "optimizer.warmup=0",
        "optimizer.lr=0.01",
        "backbone.embedding=16",
    ]
    sets = [f"--set={one}" for one in own]
    assert (
        call("train", str(work / "two.toml"), str(pictures), "--run", str(work / "two"), *sets) == 0
    )
    shutil.rmtree(HERE / "cascade", ignore_errors=True)
    for path in (
        "cascade.toml",
        "base/config.toml",
        "base/model.safetensors",
        "x2/config.toml",
        "x2/model.safetensors",
    ):
        (HERE / "cascade" / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(work / "two" / path, HERE / "cascade" / path)
    for path in HERE.glob("cascade/**/*.toml"):
        path.write_text(path.read_text().replace(str(pictures), "PICTURES"))
    assert (
        call(
            "sample",
            str(HERE / "cascade"),
            "-n",
            "4",
            "--sampler",
            "heun",
            "--save-all",
            "-o",
            str(work / "made"),
        )
        == 0
    )
    np.savez_compressed(HERE / "cascade.npz", **arrays_of(work / "made"))


if __name__ == "__main__":
    main()
