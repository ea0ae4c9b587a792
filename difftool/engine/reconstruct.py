"""Examples beside what a model that makes no samples makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from ..batch import Batch
from ..rng import Stream
from ..stage import Stage
from .padding import unpadded

AT_ONCE = 32


@torch.no_grad()
def reconstructions(
    stage: Stage, examples: Sequence[np.ndarray], seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each raw example as the model is given it, and its reconstruction.

    Raises NotImplementedError where the objective cannot reconstruct.
    """
    assert stage.objective is not None
    stage.objective.eval()
    for at in range(0, len(examples), AT_ONCE):
        raw = stage.modality.collate(list(examples[at : at + AT_ONCE]), Stream(seed, "given", at))
        yield from reconstructed(stage, raw)


@torch.no_grad()
def reconstructed(stage: Stage, raw: Batch) -> list[tuple[np.ndarray, np.ndarray]]:
    """The examples of a raw batch, each with its reconstruction."""
    assert stage.objective is not None
    device = next(stage.objective.parameters()).device
    raw = raw.map(lambda t: t.to(device))
    back = stage.representation.decode(
        stage.objective.reconstruct(stage.representation.encode(raw))
    )
    return list(zip(unpadded(raw.x.cpu(), raw), unpadded(back.x.cpu(), raw), strict=True))
