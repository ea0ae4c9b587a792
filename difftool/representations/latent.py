"""latent: what a trained autoencoder makes of an example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..context import Context
from ..description import Description
from ..errors import UsageError
from ..nn.autoencoder.coder import Coder
from ..nn.autoencoder.tiled import decode_in_tiles
from ..nn.frozen import Sealed
from ..representation import Representation
from ..rng import Rng
from ..space import Euclidean
from .options import LatentOptions
from .standard import MARGIN, ChannelTotal

SEAL = "autoencoder"
"""Name of the autoencoder's checksum among the measurements."""
PROBED = 4_096
"""Size of an axis that varies, where shapes are found by encoding zeros."""
AT_ONCE = 2**22
"""Most positions that are decoded at once, where nothing is said."""


class Latent(nn.Module, Representation):
    """``(encode(x) - mean) * spread / std``, by a frozen coder, such as a trained autoencoder.

    Rombach et al. 2022, arXiv:2112.10752, sec. 3.2. Mean and standard deviation are those of each
    channel over the data. Another representation makes the coder's input of raw examples. Examples
    may have other sizes than those that the coder was trained on.

    The weights are saved in the model file. Their checksum is among the measurements, so that other
    weights are refused. A subclass may take them from elsewhere, in ``build``.

    Args:
        coder: frozen from now on.
        inner: makes the coder's input, and raw examples of its output.
        there: the data that ``inner`` was built for.

    Raises:
        UsageError: the coder does not fit the data.
    """

    def __init__(
        self,
        options: LatentOptions,
        description: Description,
        coder: Coder,
        inner: Representation,
        there: Description,
    ) -> None:
        super().__init__()
        if positional := [c.name for c in description.conditions.values() if c.positional]:
            raise UsageError(
                f"The condition {positional[0]!r} describes positions of the example, which latents "
                "do not have. Turn it off in [modality], or use another representation."
            )
        self.options, self.measured, self.inner = options, description.measured, inner
        self.sealed = Sealed(
            coder, description.measured.get(SEAL, ""), f"the autoencoder {options.model}"
        )
        self.space, self.cached, self.variants = Euclidean(), options.cache, options.variants
        examples = encoded_shape(inner, there, description)
        channels, *sizes = examples
        if channels != self.coder.channels or len(sizes) != self.coder.dimension:
            raise UsageError(
                f"{options.model} is an autoencoder of examples with {self.coder.channels} channels "
                f"and {self.coder.dimension} axes, but here they have the shape {examples}. Train "
                "one on such data, or set the options of [modality] as they are there."
            )
        known = self.coder.encoded_size([n or 1 for n in sizes])
        self.shape = (
            self.coder.latents,
            *(None if n is None else size for n, size in zip(sizes, known, strict=True)),
        )
        self.rigid = rigid_sizes(self.inner, description, examples)

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        if not options.model:
            raise UsageError(
                "representation.model is empty. Name a run that was trained with --objective "
                "autoencoder, such as --set representation.model=runs/ae."
            )
        first = context.open(options.model)
        if not isinstance(first.model, Coder):
            raise UsageError(
                f"{options.model} has no latents: it is not an autoencoder. Name a run that was "
                "trained with --objective autoencoder in representation.model."
            )
        return cls(
            options, context.description, first.model, first.representation, first.description
        )

    @property
    def coder(self) -> Coder:
        """The frozen network."""
        network = self.sealed.network
        assert isinstance(network, Coder)
        return network

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """The mean, the standard deviation and the range of each channel, and the checksum."""
        total = ChannelTotal(per_channel=True)
        for batch in raw:
            inner = self.inner.encode(batch)
            z, mask = self.coder.encode(inner.x, inner.mask)
            total.add(Batch(z, mask=mask))
        return {**total.to_json(), SEAL: self.sealed.digest}

    def encode(self, raw: Batch) -> Batch:
        inner = self.inner.encode(raw)
        z, mask = self.coder.encode(inner.x, inner.mask)
        return Batch(
            self.space.project(self._normal(z), mask),
            inner.cond,
            mask,
            None if inner.observed is None else self._observed(inner),
            inner.noise_free,
        )

    def prepare(self, raw: Batch) -> Batch:
        """The latents in half precision or as bytes; their means and standard deviations for
        draws.
        """
        inner = self.inner.encode(raw)
        if self.options.draw:
            moments, mask = self.coder.moments(inner.x, inner.mask)
        else:
            moments, mask = self.coder.encode(inner.x, inner.mask)
        mean, *std = moments.split(self.coder.latents, 1)
        parts = [self._normal(mean), *(one * self._scale(one) for one in std)]
        observed = None if inner.observed is None else self._observed(inner)
        x = self.space.project(torch.cat(parts, 1), mask)
        x = self._quantised(x) if self.options.cached_as == "uint8" else x.half()
        return Batch(x, inner.cond, mask, observed, inner.noise_free)

    def draw(self, prepared: Batch, rng: Rng) -> Batch:
        if prepared.x.dtype == torch.uint8:
            return prepared.with_x(self.space.project(self._unquantised(prepared.x), prepared.mask))
        x = prepared.x.float()
        if self.options.draw:
            x = self.space.project(self.coder.draw(x, rng), prepared.mask)
        return prepared.with_x(x)

    def decode(self, batch: Batch) -> Batch:
        """Latents are kept to the range of the data, with a margin, before they are decoded."""
        z = batch.x.double() / self._scale(batch.x).double() + self._row("mean", batch.x)
        z = self.space.project(z.clamp(*self._range(z)).float(), batch.mask)
        mask = None if batch.mask is None else batch.mask[:, :1]
        with torch.no_grad():
            x = torch.cat([self._decoded(*rows) for rows in self._groups(z, mask)])
        for axis, size in self.rigid.items():
            x = x.narrow(axis + 1, 0, size)
        seen = None if mask is None else self._mask_of(mask, x)
        return self.inner.decode(Batch(x, batch.cond, seen))

    # --- units ---

    def _range(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The least and the largest latent of each channel of the data, with a margin."""
        low, high = self._row("low", like), self._row("high", like)
        margin = MARGIN * (high - low)
        return low - margin, high + margin

    def _step(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The number that byte 0 stands for, and the difference between two bytes, by channel."""
        low, high = (self._normal(each.float()[None])[0] for each in self._range(like))
        return low, (high - low) / 255

    def _quantised(self, x: Tensor) -> Tensor:
        low, step = self._step(x)
        return ((x - low) / step.clamp_min(1e-12)).round().clamp(0, 255).to(torch.uint8)

    def _unquantised(self, x: Tensor) -> Tensor:
        low, step = self._step(x)
        return low + x.float() * step

    def _normal(self, z: Tensor) -> Tensor:
        return (z - self._row("mean", z).float()) * self._scale(z)

    def _scale(self, like: Tensor) -> Tensor:
        return self.options.spread / self._row("std", like).float()

    def _row(self, name: str, like: Tensor) -> Tensor:
        """One number per channel, ``[c, 1, ...]``."""
        row = torch.tensor(self.measured[name], dtype=torch.float64, device=like.device)
        return row.reshape(-1, *(1,) * (like.ndim - 2))

    # --- positions ---

    def _observed(self, inner: Batch) -> Tensor:
        """``[b, 1, ...]``: latents that are made of given entries only."""
        assert inner.observed is not None
        unknown = ~inner.observed.expand_as(inner.x).all(1, keepdim=True)
        sizes = self.coder.encoded_size(inner.x.shape[2:])
        for axis, (n, factor) in enumerate(zip(sizes, self.coder.reduction, strict=True), 2):
            first = factor - 1 if self.coder.causal and axis == 2 else 0
            place = (torch.arange(unknown.shape[axis], device=unknown.device) + first) // factor
            found = unknown.new_zeros(*unknown.shape[:axis], n, *unknown.shape[axis + 1 :]).float()
            unknown = found.index_add(axis, place, unknown.float()) > 0
        return ~unknown

    def _mask_of(self, mask: Tensor, x: Tensor) -> Tensor:
        """The mask of what is made of latents, as large as that."""
        for axis, factor in enumerate(self.coder.reduction, 2):
            mask = mask.repeat_interleave(factor, axis) if mask.shape[axis] > 1 else mask
            lacking = mask.shape[axis] - x.shape[axis]
            if mask.shape[axis] > 1 and lacking:
                # in a causal network the first step of time is one frame; else the end was cut
                early = lacking if self.coder.causal and axis == 2 else 0
                mask = mask.narrow(axis, early, x.shape[axis])
        return mask

    def _groups(self, z: Tensor, mask: Tensor | None) -> Iterable[tuple[Tensor, Tensor | None]]:
        """As many examples at once as memory is meant for."""
        positions = math.prod(self.coder.decoded_size(z.shape[2:]))
        some = max(1, AT_ONCE // positions)
        for at in range(0, len(z), some):
            shared = mask is None or len(mask) == 1
            yield z[at : at + some], mask if mask is None or shared else mask[at : at + some]

    def _decoded(self, z: Tensor, mask: Tensor | None) -> Tensor:
        tile = self.options.tile
        if tile == "auto":
            sizes = list(z.shape[2:])
            while math.prod(self.coder.decoded_size(sizes)) > AT_ONCE and max(sizes) > 1:
                longest = sizes.index(max(sizes))
                sizes[longest] = -(-sizes[longest] // 2)
            return decode_in_tiles(self.coder, z, mask, sizes)
        return decode_in_tiles(self.coder, z, mask, [tile] * (z.ndim - 2))


def encoded_shape(
    inner: Representation, there: Description, here: Description
) -> tuple[int | None, ...]:
    """The shape that a representation of one data set gives to examples of another."""
    if here.shape == there.shape:
        return inner.shape
    made = _encoded(inner, [n or PROBED for n in here.shape], here)
    varies = [n is None for n in inner.shape]
    return tuple(None if free else n for n, free in zip(made, varies, strict=True))


def rigid_sizes(
    inner: Representation, description: Description, shape: Sequence[int | None]
) -> dict[int, int]:
    """Axis -> size, of the axes of encoded examples that are the same for examples of any size.

    The bands of a spectrum are one: what is decoded must have exactly as many.
    """
    if None not in description.shape and tuple(description.shape) == tuple(shape):
        return {}
    raw = [n or PROBED for n in description.shape]
    rigid = {axis: n for axis, n in enumerate(shape) if axis and n is not None}
    for axis in range(len(raw)):
        larger = [2 * n if i == axis else n for i, n in enumerate(raw)]
        try:
            made = _encoded(inner, larger, description)
        except (RuntimeError, ValueError, IndexError):  # that axis cannot be of another size
            continue
        rigid = {at: n for at, n in rigid.items() if made[at] == n}
    return rigid


@torch.no_grad()
def _encoded(
    inner: Representation, shape: Sequence[int], description: Description
) -> tuple[int, ...]:
    raw = torch.zeros(1, *shape, dtype=getattr(torch, description.dtype))
    device = next((p.device for p in _parameters(inner)), raw.device)
    return tuple(inner.encode(Batch(raw.to(device))).x.shape[1:])


def _parameters(inner: Representation) -> Iterable[Tensor]:
    return inner.parameters() if isinstance(inner, nn.Module) else ()
