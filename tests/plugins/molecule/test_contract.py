"""What every modality, every representation and every backbone promises."""

from __future__ import annotations

import torch

from difftool.testing import modality_contract, representation_contract

SMALL = ("backbone.layers=2", "backbone.features=16", "backbone.embedding=16")

TestModality = modality_contract("molecule", sets=SMALL)
TestModalityWithoutHydrogens = modality_contract(
    "molecule", options={"hydrogens": "drop", "charges": "keep"}, sets=SMALL
)


def atoms() -> torch.Tensor:
    """``[3, 5, 5]``: five atoms of three elements about the origin, some of them charged."""
    rng = torch.manual_seed(0)
    positions = 1.5 * torch.randn(3, 5, 3, generator=rng)
    numbers = torch.tensor([1.0, 6.0, 8.0])[torch.randint(3, (3, 5, 1), generator=rng)]
    charges = torch.randint(-1, 2, (3, 5, 1), generator=rng).float()
    return torch.cat((positions - positions.mean(1, keepdim=True), numbers, charges), -1)


TestPointCloud = representation_contract(
    "pointcloud",
    atoms(),
    tolerance=1e-5,
    extra={"elements": [1, 6, 8], "sizes": [[5, 3]], "charged": True},
)
