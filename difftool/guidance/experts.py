"""below: several denoisers, each for a range of noise levels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..sampler import Denoise


def below(denoise: Denoise, experts: Sequence[tuple[float, Denoise]]) -> Denoise:
    """``denoise``, or for sigma below an expert's level that expert.

    Balaji et al. 2022, arXiv:2211.01324; Podell et al. 2023, arXiv:2307.01952.

    Args:
        experts: ``(level, denoise)``; of several whose level sigma is below, the one with the
            lowest.
    """
    turns = sorted(experts, key=lambda expert: expert[0])

    def serving(x: Tensor, sigma: float) -> Tensor:
        chosen = next((expert for level, expert in turns if sigma < level), denoise)
        return chosen(x, sigma)

    return serving
