"""What the golden files are, and how samples are taken from them."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from difftool.assemble import load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.plugin.registry import Registry

HERE = Path(__file__).parent
MODELS = ("image", "waveform", "spectrogram", "video", "molecule")
SAMPLERS = ("euler", "heun", "ddim", "dpmpp_2m", "pndm")
"""The samplers that draw no noise after the start: what they make is fixed to the byte."""


def machine() -> dict[str, str]:
    """What decides the last bits of a result: the kernels that this torch takes on this processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.processor(),
    )
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "processor": model,
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }


def sampled(path: Path, sampler: str) -> list[np.ndarray]:
    """Three samples of a model file, in raw units."""
    stage = load_stage(
        path, Registry.load_all(), device="cpu", overrides={"sampler": {"use": sampler}}
    )
    return [one.example for one in generate(stage, SampleRequest(n=3, steps=4, seed=7))]


def pictures_in(folder: Path) -> Path:
    """Forty small pictures in two classes: one bright above, one bright on the left."""
    rng = np.random.default_rng(0)
    for i in range(40):
        picture = rng.integers(0, 60, (8, 8, 3), dtype=np.uint8)
        name = ("above", "left")[i % 2]
        picture[(slice(0, 4), slice(None)) if i % 2 == 0 else (slice(None), slice(0, 4))] += 150
        (folder / name).mkdir(exist_ok=True, parents=True)
        Image.fromarray(picture).save(folder / name / f"{i:02d}.png")
    return folder


def arrays_of(folder: Path) -> dict[str, np.ndarray]:
    """Every picture below a folder, by its path."""
    return {
        str(path.relative_to(folder)): np.asarray(Image.open(path))
        for path in sorted(folder.rglob("*.png"))
    }
