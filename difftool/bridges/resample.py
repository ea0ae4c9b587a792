"""resample: an earlier stage with fewer entries along some axes of the raw example."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..batch import Batch
from ..bridge import Bridge
from ..column import Column
from ..conditioners.columns import ChannelsColumn
from ..description import Description
from ..errors import UsageError
from ..representation import Representation
from ..rng import Rng, Stream
from ..shapes import expand_as
from .compress import compressed
from .crop import cropped
from .options import ResampleOptions
from .resampling import Axis

LOW, LEVEL, MISSING = "low", "low_level", "missing"

SPREAD = 0.5
"""Standard deviation of encoded data. Condition channels are scaled to unit variance, as the
network's input is."""

DIFFERENT = 64.0
"""Standard deviation, in raw units, of noise that is added to the entries between observed ones, to
find which encoded entries do not depend on it."""

FAINTEST = 1e-3
"""Least standard deviation that a residual is scaled by: less than the rounding of 8-bit data."""


class Resample(Bridge):
    """Condition on area means, every n-th entry, or a band of frequencies of the example.

    The low example is interpolated to the stage's own size, encoded like any raw example, and added
    as channels to the noisy one; so every representation works, latents and spectra included. Noise
    conditioning augmentation adds noise to these channels and tells the network its level: the
    network learns how far to trust its condition, and the level can be chosen when sampling
    (Ho et al. 2022, arXiv:2106.15282, Sec. 4; Saharia et al. 2022, arXiv:2205.11487).

    With ``residual``, ``x`` is the difference from the interpolated example, scaled to the standard
    deviation of data (Li et al. 2021, arXiv:2104.14951, Sec. 3.3): the coarse part is exact, and
    the noise levels are those of the detail, however faint it is.

    With ``observed``, the entries of the low example are entries of ``x`` itself. They are marked
    in ``Batch.observed``, and samples keep them.
    """

    def __init__(
        self, options: ResampleOptions, description: Description, representation: Representation
    ) -> None:
        if len(options.factors) != len(description.shape):
            raise UsageError(
                f"bridge.factors = {list(options.factors)} is for {len(options.factors)} axes, "
                f"and an example has {len(description.shape)}: {_words(description.shape)}. Give "
                "one factor for each axis, 1 for axes that keep their size."
            )
        if len(options.crop) >= len(representation.shape):
            raise UsageError(
                f"bridge.crop = {list(options.crop)} is for {len(options.crop)} axes, and an "
                f"encoded example has {_words(representation.shape)}, of which the first, the "
                "channels, is not cropped. Give at most one size for each other axis."
            )
        channels = representation.shape[0]
        if channels is None:
            raise UsageError(
                "The bridge resample needs channels, but the first axis of an encoded example, "
                f"{_words(representation.shape)}, varies. Set bridge.use = none, or use a bridge "
                "for such data: difftool list bridges."
            )
        self.width = channels
        self.options, self.description, self.representation = options, description, representation
        self.max_aug_level, self.crop_sizes = options.max_aug_level, options.crop
        self.reads_alike = not options.rates
        self.missing = float(description.measured.get(MISSING, SPREAD))
        self.factors = [max(factor, 1) for factor in options.factors]
        self.axes = [
            Axis(i + 1, options.factors[i], options.way("down", i), options.way("up", i))
            for i in options.axes()
        ]

    # --- conditioning -----------------------------------------------------------------------------

    def conditions(self) -> tuple[Column, ...]:
        return ChannelsColumn(
            LOW, width=self.width + self.options.observed
        ), *self.aug_level_condition(LEVEL)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """With ``residual``, the standard deviation of the residual, in model units."""
        if not self.options.residual:
            return {}
        squares = [square for batch in raw for square in self._lacking(batch).tolist()]
        return {MISSING: max(math.sqrt(math.fsum(squares) / max(len(squares), 1)), FAINTEST)}

    def _lacking(self, raw: Batch) -> Tensor:
        """``[b]``: the mean square of each example's residual, in model units."""
        whole, filled = (
            self.representation.encode(raw.with_x(x))
            for x in (raw.x, self.lift(self.degrade(raw), raw))
        )
        return self.representation.space.mean_square(whole.x - filled.x, whole.mask)

    def encode(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """With the condition ``low``: channels of unit variance at the positions of ``x``, and
        their level.
        """
        batch = self.representation.encode(raw)
        if self.options.observed:
            return self._show_known(batch, low, raw)
        x, level_cond = self.representation.encode(raw.with_x(self.lift(low, raw))).x, {}
        if self.max_aug_level:
            x, level_cond = (
                x + expand_as(level, x) * self.representation.space.noise(x.shape, rng, batch.mask),
                {LEVEL: level},
            )
        batch = batch.with_cond(**{LOW: expand_as(self._unit(level), x) * x}, **level_cond)
        return (
            batch.with_x((batch.x - x) * expand_as(self._gain(level), x))
            if self.options.residual
            else batch
        )

    def _show_known(self, batch: Batch, low: Batch, raw: Batch) -> Batch:
        """With observed entries.

        The condition holds these, zeros in between, and one more channel that marks them.

        An encoded entry is observed if it does not change when the entries in between do.
        """
        shown, there = low.x.float(), torch.ones_like(low.x, dtype=torch.float32)
        for axis in self.axes:
            shown, there = (axis.back(t, None, raw.x.shape[axis.at])[0] for t in (shown, there))
        noise = DIFFERENT * Stream(0, "different", device=shown.device).normal(shown.shape)
        one, other = (
            self.representation.encode(raw.with_x(x)).x
            for x in (shown, shown + noise * (1 - there))
        )
        known = (one == other) & (
            torch.ones_like(one, dtype=torch.bool) if batch.mask is None else batch.mask
        )
        where = known.all(1, keepdim=True)
        channels = torch.cat((one * where * self._unit(one.new_zeros(())), where.to(one.dtype)), 1)
        return replace(
            batch.with_cond(**{LOW: channels}),
            x=torch.where(where, one, batch.x),
            observed=where if batch.observed is None else where | batch.observed,
        )

    def restore(self, batch: Batch) -> Batch:
        """With ``residual``, the interpolated example plus the residual."""
        if not self.options.residual:
            return batch
        x, level = batch.x, batch.cond.get(LEVEL, batch.x.new_zeros(len(batch)))
        return batch.with_x(
            x / expand_as(self._gain(level), x) + batch.cond[LOW] / expand_as(self._unit(level), x)
        )

    def _unit(self, level: Tensor) -> Tensor:
        """``[b]``: scales the condition to unit variance   (Karras et al. 2022, Table 1, c_in)."""
        return (SPREAD**2 + level.square()).rsqrt()

    def _gain(self, level: Tensor) -> Tensor:
        """``[b]``: scales the residual, which includes the condition's noise, to the spread of
        data.
        """
        return SPREAD * (self.missing**2 + level.square()).rsqrt()

    def lift(self, low: Batch, raw: Batch) -> Tensor:
        """``low.x`` interpolated to the size of ``raw.x``, float32 in raw units."""
        x, mask = low.x.float(), low.mask
        for axis in self.axes:
            x, mask = axis.more(x, mask, raw.x.shape[axis.at])
        return x

    def enforce_consistency(self, raw: Batch, low: Batch) -> Batch:
        """x0 + A^+ (low - A x0), A being ``degrade``.

        Wang et al. 2022, arXiv:2212.00490, Eq. 13.
        """
        x, mask = raw.x.float(), raw.mask
        for axis in self.axes:
            x, mask = axis.fewer(x, mask)
        missing, mask = low.x.float() - x, low.mask
        for axis in self.axes:
            missing, mask = axis.back(missing, mask, raw.x.shape[axis.at])
        return raw.with_x(_as(raw.x.float() + missing, raw.mask, raw.x.dtype))

    # --- from the stage's examples to the earlier one's -------------------------------------------

    def degrade(self, raw: Batch) -> Batch:
        x, mask = raw.x.float(), raw.mask
        for axis in self.axes:
            x, mask = axis.fewer(x, mask)
        return Batch(_as(x, mask, raw.x.dtype), mask=mask)

    def corrupt(self, low: Batch, rng: Rng) -> Batch:
        """Blur, then compress each example by its own width and strength, uniform from 0 to the
        maximum.
        """
        widest, strongest = self.options.blur, self.options.compress
        if not widest and not strongest:
            return low
        x = low.x.float()
        if widest:
            width = widest * rng.uniform((len(low),))
            for axis in self.axes:
                x = axis.blurred(x, low.mask, width, widest)
        if strongest:
            x = compressed(
                x, low.mask, [axis.at for axis in self.axes], strongest * rng.uniform((len(low),))
            )
        return low.with_x(_as(x, low.mask, low.x.dtype))

    def crop(self, batch: Batch, rng: Rng) -> Batch:
        return cropped(batch, self.crop_sizes, rng) if self.crop_sizes else batch

    # --- sizes ------------------------------------------------------------------------------------

    def check_compatible(self, earlier: Description) -> None:
        own, rates = self.description, self.options.rates
        if earlier.dtype != own.dtype or len(earlier.shape) != len(own.shape):
            raise UsageError(
                f"The earlier stage makes {earlier.dtype} examples of {_words(earlier.shape)}, "
                f"and this one's are {own.dtype} of {_words(own.shape)}. Stages meet in raw data: "
                "train both on data of one kind."
            )
        for name, axis in rates.items():
            self._agree(name, axis, earlier)
        wanted = [
            None if n is None else _fewer(n, factor)
            for n, factor in zip(own.shape, self.factors, strict=True)
        ]
        fixed = [
            axis
            for axis in range(len(wanted))
            if axis not in rates.values() and None not in (earlier.shape[axis], wanted[axis])
        ]
        if any(earlier.shape[axis] != wanted[axis] for axis in fixed):
            raise UsageError(
                f"The earlier stage makes examples of {_words(earlier.shape)}, and this one "
                f"refines those of {_words(wanted)}: its own are of {_words(own.shape)}, and "
                f"bridge.factors = {list(self.options.factors)}. Train one of the two at another "
                "size."
            )

    def _agree(self, name: str, axis: int, earlier: Description) -> None:
        theirs, ours = (about.extra.get(name) for about in (earlier, self.description))
        if not isinstance(theirs, (int, float)) or not isinstance(ours, (int, float)):
            raise UsageError(
                f"bridge.rates names {name!r}, but the modality reports no number of that name. "
                "Remove it."
            )
        if abs(theirs * self.factors[axis] - ours) > 1e-6 * ours:
            raise UsageError(
                f"The earlier stage has {name} {theirs:g}, but this one refines "
                f"{ours / self.factors[axis]:g}: its own is {ours:g}, and the factor is "
                f"{self.factors[axis]}. Train one of the two at another {name}."
            )

    def earlier_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(_fewer(n, factor) for n, factor in zip(shape, self.factors, strict=True))

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """The size of ``raw`` where ``low`` fits it, with padding if need be; else ``low`` times
        the factors.

        Along an axis that is not resampled, any size is allowed that keeps the encoded example's
        channels.
        """
        if low.ndim != len(self.factors) or low.dtype != np.dtype(self.description.dtype):
            raise UsageError(
                f"The input is {low.dtype} of {_words(low.shape)}, but this stage's own examples "
                f"are {self.description.dtype} of {_words(self.description.shape)}. Give it "
                "examples of the earlier stage."
            )
        padded = [False] * low.ndim if raw.mask is None else [n > 1 for n in raw.mask.shape[1:]]
        sizes = [self._size(axis, n, raw, padded[axis]) for axis, n in enumerate(low.shape)]
        small = [_fewer(n, factor) for n, factor in zip(sizes, self.factors, strict=True)]
        x = np.pad(low, [(0, most - n) for n, most in zip(low.shape, small, strict=True)])
        real = [n * factor for n, factor in zip(low.shape, self.factors, strict=True)]
        template = raw if raw.x.shape[1:] == torch.Size(sizes) else self._resized(raw, sizes)
        if raw.mask is None:
            return Batch(torch.from_numpy(x)[None]), template
        mask = _first(real, sizes, padded).to(raw.x.device)
        return Batch(torch.from_numpy(x)[None], mask=_first(low.shape, small, padded)), replace(
            template, mask=mask
        )

    def _size(self, axis: int, low: int, raw: Batch, padded: bool) -> int:
        """The size of the sample along an axis."""
        factor, usual = self.factors[axis], raw.x.shape[axis + 1]
        fitting = _fewer(usual, factor)
        if low == fitting or (padded and low < fitting):
            return usual
        if factor == 1 and not self._varies(axis, low, raw):
            raise UsageError(
                f"The input has {low} entries along axis {axis}, but this stage's examples have "
                f"{usual}, and it does not change that axis. Give it examples of the earlier "
                "stage."
            )
        return low * factor

    def _varies(self, axis: int, n: int, raw: Batch) -> bool:
        """Whether an example of ``n`` entries along an axis has the network's channels when
        encoded.
        """
        sizes = list(raw.x.shape[1:])
        sizes[axis] = n
        return (
            self.representation.encode(replace(self._resized(raw, sizes), mask=None)).x.shape[1]
            == self.width
        )

    def _resized(self, raw: Batch, sizes: Sequence[int]) -> Batch:
        """A template of these sizes. Conditions of positions are 0 at new positions."""
        own = {
            name
            for name in raw.cond
            if name in self.description.conditions and self.description.conditions[name].positional
        }
        cond = {
            name: _longer(value, raw.x.shape, (1, *sizes)) if name in own else value
            for name, value in raw.cond.items()
        }
        return replace(raw, x=raw.x.new_zeros(1, *sizes), cond=cond)


def _longer(t: Tensor, old: Sequence[int], new: Sequence[int]) -> Tensor:
    """A tensor of an example of one size for one of another: cut or padded with zeros along each
    axis.
    """
    for axis in range(1, t.ndim):
        if t.shape[axis] == old[axis] != new[axis]:
            more = t.new_zeros(*t.shape[:axis], max(new[axis] - old[axis], 0), *t.shape[axis + 1 :])
            t = torch.cat((t.narrow(axis, 0, min(old[axis], new[axis])), more), axis)
    return t


def _first(counts: Sequence[int], sizes: Sequence[int], spanned: Sequence[bool]) -> Tensor:
    """A mask ``[1, ...]`` of the first entries along the axes that it spans."""
    mask = torch.ones(1, *(1,) * len(sizes), dtype=torch.bool)
    for axis, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        if spanned[axis]:
            mask = mask & (torch.arange(size) < count).reshape(-1, *(1,) * (len(sizes) - 1 - axis))
    return mask


def _fewer(n: int, factor: int) -> int:
    return -(-n // factor)


def _as(x: Tensor, mask: Tensor | None, dtype: torch.dtype) -> Tensor:
    """In the raw type again, whole numbers to the nearest and within their range; 0 on padding."""
    x = x if mask is None else x * mask
    if dtype.is_floating_point:
        return x.to(dtype)
    info = torch.iinfo(dtype)
    return x.round().clamp(info.min, info.max).to(dtype)


def _words(shape: Sequence[int | None]) -> str:
    return " x ".join("any" if n is None else str(n) for n in shape)
