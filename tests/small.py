"""A run small enough for a test, on pictures made here, with everything random switched on."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from difftool.assemble import Assembly, build_stage, encode_dataset, open_dataset
from difftool.cli import main
from difftool.config import gather, resolve
from difftool.data.dataset import Dataset
from difftool.engine.device import choose_device
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.plugin.registry import Registry
from difftool.stage import Stage

SETS = [
    "backbone.channels=8",
    "backbone.multipliers=[1,2]",
    "backbone.blocks=1",
    "backbone.dropout=0.1",
    "modality.size=8",
    "modality.augment=0.2",
    "train.batch=8",
    "train.save_every=4",
    "train.log_every=2",
    "train.preview=0",
    'train.precision="fp32"',
    'train.device="cpu"',
    "ema.power=[0.05,0.1]",
    "sample.steps=4",
]


TWO = """
modality = "image"

[[stage]]
name = "base"
[stage.modality]
size = 4

[[stage]]
name = "x2"
level = 0.1
[stage.modality]
size = 8
[stage.bridge]
use = "resample"
factors = [1, 2, 2]
augment = 0.5
"""
"""A cascade of two stages on these pictures."""


@lru_cache(maxsize=1)
def registry() -> Registry:
    return Registry.load_all()


@lru_cache(maxsize=1)
def pictures() -> Path:
    """Forty small pictures in two classes: one bright above, one bright on the left."""
    folder, rng = Path(mkdtemp(prefix="difftool-test-")), np.random.default_rng(0)
    for i in range(40):
        picture = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8)
        name = ("above", "left")[i % 2]
        picture[(slice(0, 4), slice(None)) if i % 2 == 0 else (slice(None), slice(0, 4))] += 150
        (folder / name).mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / name / f"{i:02d}.png")
    return folder


def small_run(steps: int = 8, sets: list[str] | None = None) -> tuple[Path, list[str]]:
    """The data and the ``--set`` words of a run of this many steps."""
    return pictures(), [*SETS, f"train.steps={steps}", *(sets or [])]


def prepared(data: Path, sets: list[str]) -> tuple[Stage, Dataset, str]:
    """A built stage, its data, and its config file's text."""
    layers = gather(registry(), "image", sets=[f'data.path="{data}"', *sets], project=None)
    assembly = Assembly(registry(), choose_device("cpu"))
    config, dataset = open_dataset(
        resolve("image", layers, registry()), registry(), assembly=assembly
    )
    dataset = encode_dataset(config, assembly, dataset)
    stage = build_stage(
        config,
        registry(),
        dataset.description,
        assembly.device,
        dataset.modality,
        assembly=assembly,
    )
    return stage, dataset, config.to_toml()


def train(
    path: Path, data: Path, sets: list[str], *, resume: bool = False, stop_at: int | None = None
) -> Path:
    """Train in this process, to the end or as if interrupted after a step."""
    stage, dataset, toml = prepared(data, sets)
    folder = (
        RunFolder.open(path)
        if resume
        else RunFolder.create(path, toml, dataset.description, dataset.source)
    )
    done = [0]
    for progress in fit(
        stage,
        dataset,
        folder,
        resume=resume,
        stop=lambda: stop_at is not None and done[0] + 1 >= stop_at,
    ):
        done[0] = progress.step
    return path


def call(*args: str) -> int:
    """The exit code of a command line, run in this process."""
    with pytest.raises(SystemExit) as leaving:
        main(list(args))
    return leaving.value.code


def examples(folder: str) -> dict[str, np.ndarray]:
    """The pictures in a folder by their names."""
    return {path.name: np.asarray(Image.open(path)) for path in sorted(Path(folder).glob("*.png"))}


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return (
        bool(one)
        and one.keys() == other.keys()
        and all(np.array_equal(one[name], other[name]) for name in one)
    )


def alike(one: str, other: str) -> bool:
    """Whether two runs ended with the very same weights."""
    there, here = (load_file(f"runs/{run}/model.safetensors") for run in (one, other))
    return there.keys() == here.keys() and all(
        torch.equal(there[name], here[name]) for name in there
    )
