"""Which samples are made in tiles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from ..denoiser import D
from ..errors import UsageError
from ..settings import Tile
from ..stage import Stage
from ..tiles import Tiled


def in_tiles(
    stage: Stage, denoiser: D, sizes: Sequence[int], tile: Tile, overlap: float, most: int
) -> D:
    """The denoiser for samples of these sizes, in tiles where they are too large.

    Args:
        denoiser: the stage's, or what stands for it.
        sizes: of a sample in model units, one for each axis after its channels.
        tile, overlap: as in the config table ``sample``.
        most: tiles at once.
    """
    if (usual := _sizes(stage, tile)) is None:
        return denoiser
    within = [n if size is None else min(n, size) for n, size in zip_longest(sizes, usual)]
    if within == list(sizes):
        return denoiser
    return Tiled(denoiser, within, overlap, most)


def require_tile(stage: Stage, tile: Tile) -> None:
    """Raises UsageError where ``tile`` names more axes than an example has."""
    if not isinstance(tile, str) and len(tile) >= len(shape := stage.representation.shape):
        raise UsageError(
            f"sample.tile = {list(tile)} is for {len(tile)} axes, and an encoded example has "
            f"{' x '.join(str(n or 'any') for n in shape)}, of which the first, its channels, is "
            "not cut. Give at most one size for each of the others."
        )


def _sizes(stage: Stage, tile: Tile) -> Sequence[int | None] | None:
    """Largest sizes of what the network is given at once, the last ones left open; None for no
    limit.

    A stage that refines works on details, and was shown of an example what it needs to know beyond
    its tile; a sample that is made from noise alone would become several, side by side.
    """
    if tile == "auto":
        return (
            None
            if stage.bridge is None
            else stage.bridge.crop_sizes or stage.representation.shape[1:]
        )
    return None if isinstance(tile, str) else tile
