"""Decoding in parts: in bounded memory, and without seams."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from torch import Tensor

from .coder import Coder

Span = tuple[int, int]


def decode_in_tiles(coder: Coder, z: Tensor, mask: Tensor | None, tile: Sequence[int]) -> Tensor:
    """The same as ``coder.decode(z, mask)``, up to rounding.

    Each tile is decoded with as many latents around it as it can see, and what is made of those is
    thrown away.

    Args:
        tile: latents along each axis that are decoded at once, without those around them. A decoder
            that sees everything is not divided.
    """
    sizes = z.shape[2:]
    bounded = all(coder.reach(axis) is not None for axis in range(coder.dimension))
    if not bounded or all(n <= side for n, side in zip(sizes, tile, strict=True)):
        return coder.decode(z, mask)
    made: Tensor | None = None
    for core in product(*(_spans(n, side) for n, side in zip(sizes, tile, strict=True))):
        seen = [_around(coder, axis, span, sizes[axis]) for axis, span in enumerate(core)]
        part = coder.decode(_at(z, seen), None if mask is None else _at(mask, seen))
        places, inside = zip(
            *(
                _decoded(coder, axis, *both)
                for axis, both in enumerate(zip(core, seen, strict=True))
            ),
            strict=True,
        )
        if made is None:
            made = part.new_empty(*part.shape[:2], *coder.decoded_size(sizes))
        _at(made, places).copy_(_at(part, inside))
    assert made is not None
    return made


def _spans(n: int, side: int) -> Iterator[Span]:
    """Where tiles begin and end along an axis."""
    for start in range(0, n, side):
        yield start, min(start + side, n)


def _around(coder: Coder, axis: int, core: Span, n: int) -> Span:
    """A tile with the latents that it sees."""
    reach = coder.reach(axis) or 0
    return max(0, core[0] - reach), min(n, core[1] + reach)


def _decoded(coder: Coder, axis: int, core: Span, seen: Span) -> tuple[Span, Span]:
    """Where what is made of a tile lies in the whole, and in what is made of all that it sees."""
    factor = coder.reduction[axis]
    # in a causal network latent 0 of what is decoded is one position, and others end at j * factor
    early = factor - 1 if coder.causal and axis == 0 else 0
    start, stop = (max(0, at * factor - early) for at in core)
    first = max(0, (core[0] - seen[0]) * factor - early)
    return (start, stop), (first, first + stop - start)


def _at(x: Tensor, spans: Sequence[Span]) -> Tensor:
    """The part of a tensor between these places; axes of size 1 that all positions share stay."""
    for axis, (start, stop) in enumerate(spans, 2):
        if x.shape[axis] > 1 or (start, stop) == (0, 1):
            x = x.narrow(axis, start, stop - start)
    return x
