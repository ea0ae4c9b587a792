"""difftool's contracts, one line for each part. `difftool plugins check parts` runs them."""

from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch

from difftool import Case, TrainedModel
from difftool.testing import (
    backbone_contract,
    bridge_contract,
    check_contract,
    command_contract,
    conditioner_contract,
    edit_contract,
    exporter_contract,
    guidance_contract,
    metric_contract,
    objective_contract,
    observer_contract,
    optimizer_contract,
    plugin_contract,
    process_contract,
    representation_contract,
    sampler_contract,
    source_contract,
)

FOLDER = Path(mkdtemp())
(FOLDER / "a.txt").write_text("1")
(FOLDER / "some.list").write_text("a.txt\n")
(FOLDER / "bad.list").write_text("missing.txt\n")
PICTURES = torch.randint(0, 256, (3, 3, 8, 8), generator=torch.Generator().manual_seed(0))
EXAMPLES = [np.random.default_rng(i).random((4, 4), np.float32) for i in range(4)]


def model():
    return TrainedModel({"w": torch.arange(3.0)}, {"config": {}, "description": {}}, lambda: None)


TestLion = optimizer_contract("lion", lr=0.01)
TestPositive = check_contract("positive", Case(examples=[np.ones((4, 4)) for _ in range(20)]))
TestFading = guidance_contract("fading", {"scale": 4.0})
TestTable = observer_contract("csv")
TestListing = source_contract("listing", str(FOLDER / "some.list"), str(FOLDER / "bad.list"))
TestMirror = edit_contract("mirror")
TestNpz = exporter_contract("npz", model=model)
TestAge = command_contract("age")
TestBrightness = metric_contract("brightness", EXAMPLES[:2], EXAMPLES[2:])
TestUnitVariance = representation_contract("unit-variance", PICTURES.byte(), tolerance=1)
TestPlugin = plugin_contract("parts")
TestPlain = backbone_contract("plain", (3, 8, 8), {"channels": 8}, sizes=[(5, 7)])
TestAngle = process_contract("angle")
TestPeaked = process_contract("edm", density="peaked")
TestSoft = process_contract("edm", weighting="soft")
TestEvenAngles = process_contract("edm", schedule="even-angles")
TestHuber = objective_contract("huber")
TestClock = conditioner_contract("clock", cells=("9:30", "13:45", "23:59"))
TestColour = bridge_contract("colour", PICTURES.byte(), "pixels")
TestRalston = sampler_contract("ralston")
