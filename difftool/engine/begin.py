"""Where sampling begins that changes examples, and what it keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ..batch import Batch
from ..conditioners.mask import MASK
from ..edit import Given, Start
from ..guidance.inpaint import following, keeping, keeping_softly
from ..rng import Streams
from ..sampler import Denoise
from ..stage import Stage
from . import editing
from .editing import Editing
from .entries import entries_of


@dataclass(frozen=True, slots=True)
class Beginning:
    """The examples of one batch.

    Attributes:
        editing, start, seed: as in the request of samples, of which ``start`` is the first.
        indices: numbers of the samples of this batch.
        shapes: the examples in raw units; like: as they are encoded, on the device.
        sigmas: the noise levels of sampling.
    """

    stage: Stage
    editing: Editing
    start: int
    seed: int
    indices: Sequence[int]
    shapes: Batch
    like: Batch
    sigmas: Sequence[float]

    def keep(self, denoise: Denoise) -> Denoise:
        """D that keeps what is not selected; the rest fits it, if the edit follows it, unless the
        network is told of all of it.
        """
        like, space = self.like, self.stage.representation.space
        x0, observed, mask = like.x, like.observed, like.mask
        if observed is None:
            return denoise
        if follows(self.stage, self.editing) and not like.noise_free:
            denoise = following(denoise, lambda x: space.keep(x, x0, observed, mask))
        denoise = keeping(denoise, space, x0, observed, mask, clean=like.noise_free)
        shares = editing.shares_of(self.editing, self.start, self.indices)
        if shares is None:  # nothing is selected: what the representation observes is whole
            return denoise
        raw = self.shapes.map(lambda t: t.to(x0.device))
        soft = editing.softness(self.stage.representation, raw, like, shares)
        if soft is None:
            return denoise
        return keeping_softly(denoise, space, x0, soft, self.sigmas, mask)

    def told(self, denoise: Denoise) -> Denoise:
        """D of a network that is told of what is kept; any other D as it is."""
        like, space = self.like, self.stage.representation.space
        if like.observed is None or not like.noise_free:
            return denoise
        return keeping(denoise, space, like.x, like.observed, like.mask, clean=True)

    def begun(
        self,
        noise: Tensor,
        denoise: Denoise,
        describe: Denoise,
        describe_other: Denoise | None = None,
    ) -> Start:
        """Where sampling begins.

        Args:
            noise: unit noise.
            denoise, describe, describe_other: D as in ``Given``.
        """
        representation, device = self.stage.representation, noise.device
        space, mask = representation.space, self.like.mask
        other = editing.second(self.editing, self.start, self.indices, self.shapes)
        if other is not None:
            other = representation.encode(other.map(lambda t: t.to(device)))
        raw = self.shapes.map(lambda t: t.to(device))
        if self.editing.edit.entrywise:
            editing.require_entries(representation, raw)

        def another(k: int) -> Tensor:
            rng = Streams(self.seed, f"edit {k}", self.indices, device=device)
            return space.noise(noise.shape, rng, mask)

        return self.editing.edit.start(
            Given(
                self.like.x,
                noise,
                tuple(self.sigmas),
                denoise,
                describe,
                space,
                another,
                mask,
                None if other is None else other.x,
                editing.weights_of(self.editing, self.start, self.indices, noise),
                entries_of(representation, raw, self.like),
                editing.ends(self.editing, self.start, self.indices, space, self.like),
                describe_other,
            )
        )


def follows(stage: Stage, given: Editing | None) -> bool:
    """Whether estimates may follow the gradient of what is kept. A network that was trained with
    masks is told of it.
    """
    if given is None or MASK in stage.description.conditions:
        return False
    wished = given.edit.follows
    return stage.representation.space.entrywise if wished is None else wished
