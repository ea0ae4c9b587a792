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
    stage: Stage,
    denoiser: D,
    sizes: Sequence[int],
    tile: Tile,
    overlap: float,
    most: int,
    *,
    given: bool = False,
) -> D:
    """The denoiser for samples of these sizes; in tiles if they are larger than a tile.

    Args:
        denoiser: the stage's denoiser, or a wrapper of it.
        sizes: the sizes of an encoded sample, one for each axis after its channels.
        tile, overlap: as in the config table ``sample``.
        most: largest number of tiles in one call of the network.
        given: whether samples begin with examples, which tell each tile what it is a part of.
    """
    if (usual := _sizes(stage, tile, given)) is None:
        return denoiser
    within = [n if size is None else min(n, size) for n, size in zip_longest(sizes, usual)]
    if within == list(sizes):
        return denoiser
    return Tiled(denoiser, within, overlap, most)


def require_tile(stage: Stage, tile: Tile) -> None:
    """Raise UsageError if ``tile`` has more sizes than an example has axes."""
    if not isinstance(tile, str) and len(tile) >= len(shape := stage.representation.shape):
        raise UsageError(
            f"sample.tile = {list(tile)} is for {len(tile)} axes, and an encoded example has "
            f"{' x '.join(str(n or 'any') for n in shape)}, of which the first, its channels, is "
            "not cut. Give at most one size for each of the others."
        )


def _sizes(stage: Stage, tile: Tile, given: bool) -> Sequence[int | None] | None:
    """The largest sizes of the network's input, one for each axis; None for no limit.

    By default only edits and later stages of a cascade use tiles: their input tells them the rest.
    A sample from pure noise would become several samples side by side.
    """
    if tile == "auto":
        usual = stage.representation.shape[1:]
        if stage.bridge is None:
            return usual if given else None
        return stage.bridge.crop_sizes or usual
    return None if isinstance(tile, str) else tile
