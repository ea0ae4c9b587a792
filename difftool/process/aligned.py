"""Align your steps: noise levels that were found for a model."""

from __future__ import annotations

import torch

from .options import AysOptions
from .schedule import Linear


class Aligned(Linear):
    """Given levels; ln sigma is linear in time between them, also for another number of steps.

    Sabour et al. 2024, arXiv:2404.14507, Sec. 3.3. `difftool tune schedule` finds the levels.
    """

    def __init__(self, options: AysOptions) -> None:
        table = torch.tensor(options.levels[::-1], dtype=torch.float64)
        self.sigma_min, self.sigma_max = table[0].item(), table[-1].item()
        self._log = {torch.device("cpu"): table.log()}

    def sigmas(self, n: int) -> list[float]:
        times = torch.linspace(1, 0, n, dtype=torch.float64)
        return [*self.sigma(times).tolist(), 0.0]
