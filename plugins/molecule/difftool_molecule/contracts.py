"""difftool's contracts for the parts of this plugin, with data and settings that suit them."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch

from difftool import Case
from difftool.testing import (
    backbone_contract,
    bridge_contract,
    check_contract,
    metric_contract,
    modality_contract,
    representation_contract,
)

from .demo import molecules

FAST = ("backbone.layers=2", "backbone.features=16", "backbone.embedding=16")
SMALL = {"layers": 2, "features": 16, "embedding": 8}
HANDED = {**SMALL, "reflections": False, "attention": False, "aggregation": "mean"}
ATOMS = {"width": 16, "depth": 2, "head_width": 8, "pair_width": 8, "messages": 4, "registers": 1}


def atoms() -> torch.Tensor:
    """``[3, 5, 5]``: five atoms of three elements about the origin, some of them charged."""
    rng = torch.manual_seed(0)
    positions = 1.5 * torch.randn(3, 5, 3, generator=rng)
    numbers = torch.tensor([1.0, 6.0, 8.0])[torch.randint(3, (3, 5, 1), generator=rng)]
    charges = torch.randint(-1, 2, (3, 5, 1), generator=rng).float()
    return torch.cat((positions - positions.mean(1, keepdim=True), numbers, charges), -1)


def demo() -> list[np.ndarray]:
    """``[n, 5]`` each: molecules of the demo set about their centres."""
    return [
        np.column_stack((xyz - xyz.mean(0), numbers, np.zeros(len(numbers)))).astype(np.float32)
        for numbers, xyz in molecules()
    ]


def molecule(*atoms: tuple[int, float, float, float]) -> np.ndarray:
    """float32 ``[n, 5]``: neutral atoms, each an atomic number and a position in angstrom."""
    return np.array([(*xyz, number, 0) for number, *xyz in atoms], np.float32)


ACROLEIN = molecule(
    (6, -0.99, 0.64, -0.33), (6, -0.05, 0.16, 0.49), (6, 1.01, -0.73, -0.02), (8, 1.88, -1.18, 0.72),
    (1, -1.03, 0.40, -1.38), (1, -1.77, 1.29, 0.06), (1, -0.02, 0.39, 1.55), (1, 0.97, -0.97, -1.09),
)  # fmt: skip
CYCLOBUTADIENE = molecule(
    (6, 0.97, 0.14, 0.01), (6, 0.19, -0.96, 0.06), (6, -0.97, -0.14, -0.01), (6, -0.19, 0.96, -0.06),
    (1, 2.04, 0.33, 0.01), (1, 0.36, -2.03, 0.13), (1, -2.04, -0.33, -0.01), (1, -0.36, 2.03, -0.13),
)  # fmt: skip
ELEMENTS = {"elements": [1, 6, 8], "sizes": [[8, 2]], "charged": False}
SAMPLES = demo()[:6]
OTHERS = demo()[6:12]

TestModality = modality_contract("molecule", sets=FAST)
TestModalityWithoutHydrogens = modality_contract(
    "molecule", options={"hydrogens": "drop", "charges": "keep"}, sets=FAST
)
TestPointCloud = representation_contract(
    "pointcloud",
    atoms(),
    tolerance=1e-5,
    extra={"elements": [1, 6, 8], "sizes": [[5, 3]], "charged": True},
)
TestEgnn = backbone_contract("egnn", (7, 9), SMALL, beside=(7,))
TestEgnnHanded = backbone_contract("egnn", (5, 4), HANDED, beside=(5,))
TestAtomTransformer = backbone_contract("dit-atoms", (7, 9), ATOMS, beside=(7,))
TestHydrogens = bridge_contract(
    "hydrogens",
    torch.from_numpy(np.stack((ACROLEIN, CYCLOBUTADIENE))),
    "pointcloud",
    options={"max_aug_level": 0.2},
    extra=ELEMENTS,
    earlier={**ELEMENTS, "elements": [6, 8]},
)
TestStability = metric_contract("stability", SAMPLES, OTHERS)
TestValidity = metric_contract("validity", SAMPLES, OTHERS)
TestDistances = metric_contract("distances", SAMPLES, OTHERS)
TestGeometryOfSamples = metric_contract("geometry", SAMPLES, OTHERS)

SOME = [
    np.concatenate([positions, numbers[:, None], np.zeros((len(numbers), 1))], 1, dtype=np.float32)
    for numbers, positions in islice(molecules(), 20)
]
SMALLER = [one * np.array([0.1, 0.1, 0.1, 1, 1], np.float32) for one in SOME]
TestGeometry = check_contract("geometry", Case(examples=SMALLER), Case(examples=SOME))
