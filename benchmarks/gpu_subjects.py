"""What gpu.py trains: a network of each modality at the size of its peers, and batches for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
import torch
from synthetic import molecule_sizes

import difftool
from difftool import Batch, Description, Stage, Stream
from difftool.engine.fit import make_step
from difftool.engine.step import TrainStep

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda", 0) if CUDA else torch.device("cpu")
TURNS = 4
"""Batches of one subject, which a measurement goes through again and again."""


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (count, 3, 32, 32), np.uint8))


def sounds(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(-9000, 9000, (count, 1, 16384), np.int16))


def clips(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return list(rng.integers(0, 256, (count, 8, 3, 32, 32), np.uint8))


def molecules(count: int) -> list[np.ndarray]:
    """Of 19 to 29 atoms, neighbours of like size: positions, atomic number, charge."""
    rng = np.random.default_rng(0)
    made = []
    for n in sorted(molecule_sizes(count, 19, 29)):
        atoms = np.zeros((n, 5), np.float32)
        atoms[:, :3] = np.cumsum(rng.normal(0, 0.9, (n, 3)), 0)
        atoms[:, 3] = rng.choice((1, 6, 7, 8, 9), n)
        made.append(atoms)
    return made


@dataclass(frozen=True)
class Subject:
    """A network and what it is trained on.

    Attributes:
        modality: as ``difftool train -m`` takes it; recipe: one of its recipes.
        batch: examples a step; sets: further settings.
        make: ``count -> examples``, as a cache holds them.
    """

    modality: str
    batch: int
    make: Callable[[int], list[np.ndarray]]
    recipe: str = "none"
    sets: dict[str, Any] = field(default_factory=dict)


PIXELS = {"modality.size": 32, "modality.channels": "rgb"}
SUBJECTS = {
    "small": Subject("image", 128, pictures, "small", PIXELS),
    "cifar-edm": Subject("image", 512, pictures, "cifar-edm", PIXELS),
    "sound": Subject(
        "audio/waveform",
        64,
        sounds,
        sets={"modality.rate": 16000, "modality.seconds": 16384 / 16000, "backbone.use": "unet1d"},
    ),
    "video": Subject(
        "video",
        32,
        clips,
        sets={**PIXELS, "modality.frames": 8, "modality.fps": 8, "backbone.use": "unet3d"},
    ),
    "molecules": Subject(
        "molecule",
        64,
        molecules,
        sets={
            "modality.fragments": "keep",
            "modality.elements": ["H", "C", "N", "O", "F"],
            "modality.charges": "drop",
            "modality.max_atoms": 29,
            "backbone.use": "egnn",
            "backbone.layers": 9,
            "backbone.features": 256,
        },
    ),
}
TINY = {
    "small": {"backbone.channels": 8, "backbone.multipliers": [1, 2], "backbone.blocks": 1},
    "cifar-edm": {"backbone.channels": 8, "backbone.multipliers": [1, 2], "backbone.blocks": 1},
    "sound": {"backbone.channels": 8, "backbone.multipliers": [1, 2]},
    "video": {"backbone.channels": 8, "backbone.multipliers": [1, 2]},
    "molecules": {"backbone.layers": 1, "backbone.features": 16},
}
"""What makes a subject's network small enough for a smoke run."""


def stage_of(name: str, **settings: Any) -> Stage:
    """The stage that a training of this subject begins with, freshly initialised."""
    subject = SUBJECTS[name]
    given = {"train.batch": subject.batch, "train.steps": 10**6, "train.preview": 0}
    settings = {**given, **subject.sets, **settings}
    own = {
        name.removeprefix("modality."): value
        for name, value in settings.items()
        if name.startswith("modality.")
    }
    modality = difftool.part("modality", subject.modality.partition("/")[0], **own)
    examples = subject.make(64)
    shape, extra, columns = modality.describe(np.array([example.shape for example in examples]))
    description = Description(
        shape, str(examples[0].dtype), 1000, {column.name: column for column in columns}, extra
    )
    return difftool.build(
        subject.modality,
        description=description,
        recipe=subject.recipe,
        **{"train.device": str(DEVICE), **settings},
    ).stage


def step_of(name: str, **settings: Any) -> tuple[TrainStep, Iterator[Batch]]:
    """The engine's own step of this subject, and batches without end."""
    stage = stage_of(name, **settings)
    return make_step(stage, stage.settings.train), batches(stage, name)


def batches(stage: Stage, name: str) -> Iterator[Batch]:
    """Some batches in pinned memory, as the loader makes them, in turn."""
    size = stage.settings.train.batch
    examples = SUBJECTS[name].make(TURNS * size)
    made = []
    for turn in range(TURNS):
        chosen = examples[turn * size : (turn + 1) * size]
        alike = len({example.shape for example in chosen}) == 1
        raw = stage.modality.collate(
            np.stack(chosen) if alike else chosen, Stream(0, "collate", turn)
        )
        made.append(raw.map(pinned))
    return cycle(made)


def pinned(tensor: torch.Tensor) -> torch.Tensor:
    """In pinned memory, where there is a device to copy it to."""
    return tensor.pin_memory() if CUDA else tensor
