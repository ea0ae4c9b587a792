"""pointcloud: atoms as positions and features, scaled as in the paper.

Hoogeboom et al. 2022, arXiv:2203.17003.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from difftool import Batch, Description, Representation, Rng

from .centred import AXES, Centred
from .fragments import fragments
from .molecule import CHARGE, NUMBER
from .options import PointCloudOptions


class PointCloud(Representation):
    """Raw ``[b, n, 5]`` (x, y, z in angstrom, atomic number, formal charge) <-> ``[b, n, 3 + f]``,
    positions with zero mean.

    Features are the element, one of those of the data; its number, where options say so; the formal
    charge, where the data has ions. An element that the data does not have is none of them.
    """

    def __init__(self, options: PointCloudOptions, description: Description) -> None:
        self.scale = options
        self.elements = tuple(int(number) for number in description.extra["elements"])
        self.charged = bool(description.extra["charged"])
        self.shape = (None, AXES + len(self.elements) + (options.numbers > 0) + self.charged)
        self.space = Centred(max((int(size) for size, _ in description.extra["sizes"]), default=0))

    @property
    def mask_channels(self) -> int:
        return 1

    def given(self, batch: Batch, rng: Rng) -> Tensor:
        return fragments(batch.x[..., :AXES], batch.mask, rng)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """Nothing, because all scales are settings."""
        del raw
        return {}

    def encode(self, raw: Batch) -> Batch:
        """float32 ``[b, n, 5]`` -> float32 ``[b, n, 3 + f]``, zero on padding."""
        number, charge = raw.x[..., NUMBER, None], raw.x[..., CHARGE, None]
        columns = [
            raw.x[..., :AXES] / self.scale.positions,
            (number == self._vocabulary(number)) / self.scale.elements,
        ]
        columns += [number / self.scale.numbers] if self.scale.numbers else []
        columns += [charge / self.scale.elements] if self.charged else []
        return raw.with_x(self.space.project(torch.cat(columns, -1), raw.mask))

    def decode(self, batch: Batch) -> Batch:
        """float32 ``[b, n, 3 + f]`` -> float32 ``[b, n, 5]``: the likeliest element, the nearest
        whole charge; zero on padding.
        """
        x = self.space.project(batch.x.float(), batch.mask)
        chosen = x[..., AXES : AXES + len(self.elements)].argmax(-1, keepdim=True)
        number = self._vocabulary(x)[chosen]
        charge = (
            (x[..., -1:] * self.scale.elements).round()
            if self.charged
            else torch.zeros_like(number)
        )
        raw = torch.cat((x[..., :AXES] * self.scale.positions, number, charge), -1)
        return batch.with_x(raw if batch.mask is None else raw * batch.mask)

    def _vocabulary(self, like: Tensor) -> Tensor:
        return torch.tensor(self.elements, dtype=like.dtype, device=like.device)
