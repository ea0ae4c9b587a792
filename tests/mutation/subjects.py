"""What faults are put into: for each subject, the contracts that a careful author would write for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from safetensors.torch import save_file

from difftool import TrainedModel, testing

ECG = (
    "backbone.channels=8",
    "backbone.blocks=1",
)
SMALL = {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": 64, "head_width": 8}


def model() -> TrainedModel:
    about = {"config": {"train": {"steps": 2}}, "description": {}}
    return TrainedModel({"w": torch.arange(3.0)}, about, lambda: None)


def listing() -> type:
    folder = Path(mkdtemp())
    (folder / "a.txt").write_text("1")
    (folder / "some.list").write_text("a.txt\n")
    (folder / "bad.list").write_text("missing.txt\n")
    return testing.source_contract(
        "listing",
        str(folder / "some.list"),
        str(folder / "bad.list"),
        change=lambda: (folder / "a.txt").write_text("another"),
    )


def brightness() -> type:
    examples = [np.random.default_rng(i).random((4, 4), np.float32) for i in range(4)]
    return testing.metric_contract("brightness", examples[:2], examples[2:])


def signals(folder: Path) -> None:
    """Two classes of signals of different lengths."""
    for i in range(24):
        path = folder / ("calm", "racing")[i % 2] / f"{i:02d}.csv"
        path.parent.mkdir(exist_ok=True)
        t = np.arange(64 + i % 3) / (8 + i % 5)
        np.savetxt(path, np.sin(t + i), fmt="%.5f")


def captions() -> type:
    path = Path(mkdtemp()) / "table.safetensors"
    save_file({"weight": torch.randn(256, 8, generator=torch.Generator().manual_seed(0))}, path)
    cells = ("red", "two words", "sea")
    return testing.conditioner_contract("caption", {"table": str(path)}, cells=cells)


def unets() -> list[type]:
    return [
        testing.backbone_contract("copied_unet", (2, 12), SMALL, sizes=[(13,)]),
        testing.backbone_contract("copied_unet", (3, 8, 8), SMALL | {"patch": 2}, sizes=[(7, 9)]),
    ]


def resample() -> list[type]:
    raw = torch.linspace(-1, 1, 96).cos().reshape(3, 1, 32)
    return [
        testing.bridge_contract("copied_resample", raw, "standard", options=options)
        for options in (
            {"factors": (1, 2), "max_aug_level": 0.5},
            {"factors": (1, 2), "residual": True},
        )
    ]


def standard() -> list[type]:
    line = torch.linspace(-1, 2, 128).sin().reshape(2, 1, 64)
    channels = torch.cat((line, 10 * line + 3), 1)
    counts = (100 * channels).round().to(torch.int16)
    return [
        testing.representation_contract("copied_standard", channels, tolerance=1e-5),
        testing.representation_contract("copied_standard", counts),
    ]


def process() -> list[type]:
    return [testing.process_contract("copied_edm")]


SUBJECTS: dict[str, Callable[[], list[type]]] = {
    "modality": lambda: [testing.modality_contract("ecg", sets=ECG, data=signals)],
    "representation": standard,
    "sampler": lambda: [testing.sampler_contract("midpoint")],
    "sampler heun": lambda: [testing.sampler_contract("copied_heun", {"s_churn": 3.0})],
    "sampler dpmpp": lambda: [testing.sampler_contract("copied_dpmpp")],
    "sampler ddim": lambda: [testing.sampler_contract("copied_ddim", {"eta": 1.0})],
    "optimizer": lambda: [
        testing.optimizer_contract("lion", lr=0.01, options={"betas": (0.5, 0.9)})
    ],
    "guidance": lambda: [testing.guidance_contract("fading", {"scale": 4.0})],
    "guidance cfg": lambda: [
        testing.guidance_contract("copied_cfg", {"scale": 3.0}),
        testing.guidance_contract("copied_cfg", {"scale": 3.0, "rescale": 0.7, "clip": 9.0}),
    ],
    "source": lambda: [listing()],
    "exporter": lambda: [testing.exporter_contract("npz", model=model)],
    "observer": lambda: [testing.observer_contract("csv")],
    "metric": lambda: [brightness()],
    "command": lambda: [testing.command_contract("age")],
    "conditioner": lambda: [captions()],
    "backbone": unets,
    "bridge": resample,
    "objective": lambda: [testing.objective_contract("copied_denoising")],
    "process": process,
    "plugin": lambda: [testing.plugin_contract("ecg", sets=ECG)],
}
