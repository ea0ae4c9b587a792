"""hydrogens: the earlier stage makes the heavy atoms, and this stage makes their hydrogens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from difftool import (
    Batch,
    Bridge,
    ChannelsColumn,
    Column,
    Description,
    Representation,
    Rng,
    UsageError,
)

from .centred import AXES
from .elements import HYDROGEN, SYMBOLS
from .molecule import CHARGE, NUMBER
from .options import HydrogensOptions
from .valence import lacking

LEVEL, LACKS = "heavy_level", "heavy_lacks"

MOST = 4
"""Hydrogens on an atom up to which counts are told apart."""

STRIDE = 8
"""Molecules are padded to a multiple of so many atoms, so that those of like size are sampled
together.
"""


class Hydrogens(Bridge):
    """The heavy atoms are known, as the network meets them without noise; the others are known to
    be hydrogens, and their positions are made.

    The heavy atoms come first, in their order. Of a molecule of hydrogens alone the first atom is
    given in their place, so that there is always one; where nothing but heavy atoms is, nothing is
    made. The network is given how many hydrogens each lacks: in training those of the example that
    are nearest to it, in sampling what fills up its valency. What is known stays in the sample,
    with the noise of its level: in training hydrogens go along with the atom that they are nearest
    to, so that what is shown and what is to be made are one molecule.

    Raises:
        UsageError: the stage's molecules have no hydrogens, or are not points with features.
    """

    def __init__(
        self, options: HydrogensOptions, description: Description, representation: Representation
    ) -> None:
        if HYDROGEN not in description.extra.get("elements", ()):
            raise UsageError(
                "The bridge hydrogens adds hydrogen atoms, and the molecules that this stage is to learn from have none. Keep them with "
                'modality.hydrogens = "keep", or train on files that have them.'
            )
        if (
            len(representation.shape) != 2
            or representation.shape[1] is None
            or representation.shape[1] <= AXES
        ):
            raise UsageError(
                "The bridge hydrogens works on points in space with features, and an encoded "
                f"example is {representation.shape}. Use it with the representation pointcloud."
            )
        self.description, self.representation = description, representation
        self.width = representation.shape[1]
        self.max_aug_level = options.max_aug_level

    # --- conditions of the stage ------------------------------------------------------------------

    def conditions(self) -> tuple[Column, ...]:
        return ChannelsColumn(LACKS, width=MOST), *self.aug_level_condition(LEVEL)

    def encode(self, low: Batch, raw: Batch, level: Tensor, rng: Rng) -> Batch:
        """With the heavy atoms first, known and at the places that ``low`` has them at; of the
        hydrogens all is known but their places.

        What each atom lacks, ``low.cond[LACKS]``, is given as ``[b, 4, n]``: whether it lacks one,
        two, three, four.
        """
        heavy, real = _reaching(low, raw.x.shape[1]), _real(raw)
        whole = _sorted(raw.x)
        others = torch.zeros_like(whole)
        others[..., :AXES], others[..., NUMBER] = whole[..., :AXES], HYDROGEN
        x = torch.where(_real(heavy), heavy.x, others) * real
        batch = self.representation.encode(
            replace(raw, x=x, mask=None if raw.mask is None else real, observed=None)
        )
        steps = torch.arange(MOST, device=x.device)[:, None]
        batch = batch.with_cond(**{LACKS: (heavy.cond[LACKS][:, None] > steps).to(batch.x.dtype)})
        if self.max_aug_level:
            batch = self._noised(batch, _real(heavy), level, rng).with_cond(**{LEVEL: level})
        features = torch.arange(self.width, device=x.device) >= AXES
        return replace(batch, observed=_real(heavy) | (real & features), noise_free=True)

    def _noised(self, batch: Batch, heavy: Tensor, level: Tensor, rng: Rng) -> Batch:
        """With noise on the positions of the heavy atoms, ``[b, n, 1]``, which each hydrogen shares
        with its nearest.
        """
        space, positions = self.representation.space, batch.x[..., :AXES]
        noise = level[:, None, None] * space.noise(batch.x.shape, rng, batch.mask)[..., :AXES]
        shared = noise.gather(1, _nearest(positions, heavy)[..., None].expand(-1, -1, AXES))
        moved = positions + torch.where(heavy, noise, shared)
        return batch.with_x(space.project(torch.cat((moved, batch.x[..., AXES:]), -1), batch.mask))

    # --- from the stage's examples to the earlier one's -------------------------------------------

    def degrade(self, raw: Batch) -> Batch:
        """The heavy atoms first, the rest of the places padding: how many there are at most would
        have to be waited for.

        With what each lacks, int64 ``[b, n]``: the hydrogens that are nearer to it than to any
        other.
        """
        x = _sorted(raw.x if raw.mask is None else raw.x * raw.mask)
        real = x[..., NUMBER, None] > 0
        mask = _first(x) & real
        taken = (real & ~mask)[..., 0].long()
        lacks = torch.zeros_like(taken).scatter_add_(1, _nearest(x[..., :AXES], mask), taken)
        return Batch(x * mask, {LACKS: lacks}, mask)

    # --- sizes ------------------------------------------------------------------------------------

    def check_compatible(self, earlier: Description) -> None:
        own, theirs = self.description.extra, earlier.extra
        if (
            earlier.dtype != self.description.dtype
            or len(earlier.shape) != len(self.description.shape)
            or "elements" not in theirs
        ):
            raise UsageError(
                f"The earlier stage makes {earlier.dtype} examples of {len(earlier.shape)} axes, "
                "which are not molecules, and this one adds hydrogens to molecules. Train the "
                "earlier one with -m molecule --hydrogens drop."
            )
        if HYDROGEN in theirs["elements"]:
            raise UsageError(
                "The earlier stage makes hydrogen atoms, and so does this one. Train the earlier one on heavy atoms alone: "
                '--hydrogens drop (modality.hydrogens = "drop").'
            )
        if strange := sorted(set(theirs["elements"]) - set(own["elements"])):
            raise UsageError(
                f"The earlier stage makes {_symbols(strange)}, which this one has never seen: it "
                f"knows {_symbols(own['elements'])}. Train both on molecules of the same elements."
            )
        if theirs.get("charged") != own.get("charged"):
            learns, other = (
                ("The earlier stage", "this one")
                if theirs.get("charged")
                else ("This one", "the earlier stage")
            )
            raise UsageError(
                f"{learns} learns formal charges and {other} does not, and they say how many "
                "hydrogens there are. Train both with the same setting: --charges keep, or "
                "--charges drop."
            )

    def earlier_shape(self, shape: Sequence[int]) -> tuple[int, ...]:
        raise UsageError(
            "How many hydrogens it adds follows from the heavy atoms, so their number cannot be "
            "told from that of all atoms. Ask the stage before it for so many heavy atoms, with "
            "--until, and give it what that makes, with --from."
        )

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        """As many atoms as there are heavy ones, and as many hydrogens as fill up their valencies;
        what ``raw`` says of sizes is for others.
        """
        self._refuse(low, raw)
        heavy = low[np.rint(low[:, NUMBER]) > 0].astype(np.float32)
        lacks = lacking(heavy)
        given, total = len(heavy), len(heavy) + int(lacks.sum())
        n = -(-total // STRIDE) * STRIDE
        x = np.zeros((1, n, low.shape[1]), np.float32)
        x[0, :given] = heavy
        known, real = (torch.arange(n)[None, :, None] < count for count in (given, total))
        device = raw.x.device
        template = replace(
            raw, x=raw.x.new_zeros(1, n, raw.x.shape[2]), mask=real.to(device), observed=None
        )
        return Batch(
            torch.from_numpy(x),
            {LACKS: torch.from_numpy(np.pad(lacks, (0, n - given)))[None]},
            known,
        ), template

    def _refuse(self, low: np.ndarray, raw: Batch) -> None:
        """What is not a molecule of heavy atoms, or has more in it than can be kept."""
        if (
            low.ndim != 2
            or low.shape[1] != CHARGE + 1
            or not np.issubdtype(low.dtype, np.floating)
            or not (low[:, NUMBER] > 0).any()
        ):
            raise UsageError(
                f"What is given to have hydrogens added is {low.dtype} of "
                f"{' x '.join(map(str, low.shape))}, which is not a molecule: (atoms, 5), at "
                "least one. Give it examples of the earlier stage."
            )
        numbers = {int(z) for z in np.rint(low[:, NUMBER]) if z > 0}
        if HYDROGEN in numbers and (len(numbers) > 1 or (low[:, NUMBER] > 0).sum() > 1):
            raise UsageError(
                "What is given to have hydrogens added has some. Give the heavy atoms alone, as "
                "an earlier stage makes them."
            )
        if strange := sorted(numbers - set(self.description.extra["elements"])):
            raise UsageError(
                f"What is given to have hydrogens added holds {_symbols(strange)}, which the "
                f"model has never seen: it knows {_symbols(self.description.extra['elements'])}. "
                "Give other molecules, or train on some with that element."
            )
        if raw.observed is not None:
            raise UsageError(
                "--fragment is kept by a model that makes molecules, and this stage adds "
                "hydrogens to those it is given. Leave it out, or sample the earlier stage with "
                "it and give what that makes: --from FILES."
            )


def _real(batch: Batch) -> Tensor:
    """``[b, n, 1]``: the mask of real atoms."""
    whole = batch.x.new_ones(*batch.x.shape[:2], 1, dtype=torch.bool)
    return whole if batch.mask is None else batch.mask & whole


def _reaching(low: Batch, n: int) -> Batch:
    """With room for ``n`` atoms."""
    extra = n - low.x.shape[1]
    if extra == 0:
        return low
    x, mask = (torch.nn.functional.pad(t.float(), (0, 0, 0, extra)) for t in (low.x, _real(low)))
    return Batch(x, {LACKS: torch.nn.functional.pad(low.cond[LACKS], (0, extra))}, mask.bool())


def _sorted(x: Tensor) -> Tensor:
    """``[b, n, 5]`` with the heavy atoms first, then hydrogens, then padding, each in their order."""
    number = x[..., NUMBER]
    kind = (number == HYDROGEN) + 2 * (number == 0)
    return x.gather(1, kind.argsort(dim=1, stable=True)[..., None].expand_as(x))


def _first(x: Tensor) -> Tensor:
    """``[b, n, 1]``: which of sorted atoms are given: the heavy ones, and the first where there are
    none.
    """
    heavy = x[..., NUMBER, None] != HYDROGEN
    first = torch.arange(x.shape[1], device=x.device)[:, None] == 0
    return heavy | first


def _nearest(positions: Tensor, heavy: Tensor) -> Tensor:
    """``[b, n, 3]``, ``[b, n, 1]`` -> ``[b, n]``: the index of the heavy atom nearest to each atom;
    of a heavy atom, its own.
    """
    apart = (positions[:, :, None] - positions[:, None]).square().sum(-1)
    return apart.masked_fill(~heavy.mT, torch.inf).argmin(2)


def _symbols(numbers: list[int]) -> str:
    return ", ".join(SYMBOLS[z] for z in numbers)
