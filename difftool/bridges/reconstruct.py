"""reconstruct: an earlier stage whose examples come out of the decoder of an autoencoder."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import torch

from ..batch import Batch
from ..context import Context, Opener
from ..description import Description
from ..errors import ModelFileError, UsageError
from ..nn.autoencoder.coder import Coder
from ..nn.frozen import digest_of
from ..nn.layers import crop
from ..representation import Representation
from .options import PENDING, ReconstructOptions, ResampleOptions
from .resample import Resample

SEAL = "reconstructs"
"""Name of the autoencoder's checksum among the measurements."""


class Reconstruct(Resample):
    """Condition on the reconstruction of the example: a diffusion decoder.

    A decoder that is trained on errors makes the mean of what its latents may stand for. A
    diffusion model makes one example of them, with its edges and its grain (Preechakul et al. 2022,
    arXiv:2111.15640; Pandey et al. 2022, arXiv:2201.00308, whose generator and refiner this is). The
    autoencoder's own decoder enlarges the latents for it, so that stages meet in raw units. The
    autoencoder is opened in training only.

    Raises:
        UsageError: the data have no channels, or an option does not fit them.
    """

    def __init__(
        self,
        options: ReconstructOptions,
        description: Description,
        representation: Representation,
        opener: Opener | None = None,
    ) -> None:
        given = options.model_dump(exclude={"model"})
        same = (1,) * len(description.shape)
        super().__init__(ResampleOptions(factors=same, **given), description, representation)
        self.model, self._opener = options.model, opener

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        assert context.representation is not None
        return cls(options, context.description, context.representation, context.open)

    def measure(self, raw: Iterable[Batch]) -> dict[str, Any]:
        """With the checksum of the autoencoder; nothing before that is trained."""
        if self.model.startswith(PENDING):
            return {}
        coder, _ = self._opened()
        return {**super().measure(raw), SEAL: digest_of(coder.state_dict())}

    @torch.no_grad()
    def degrade(self, raw: Batch) -> Batch:
        """The example, encoded and decoded, in its raw type and of its sizes."""
        coder, inner = self._opened()
        device = next(coder.parameters()).device
        given = inner.encode(Batch(raw.x, mask=raw.mask).map(lambda t: t.to(device)))
        z, mask = coder.encode(given.x, given.mask)
        made = crop(coder.decode(z, mask), given.x.shape[2:])
        back = inner.decode(given.with_x(made)).x.to(raw.x.device)
        for axis, n in enumerate(raw.x.shape[1:], 1):
            back = back.narrow(axis, 0, n)
        return Batch(back if raw.mask is None else back * raw.mask, mask=raw.mask)

    def enforce_consistency(self, raw: Batch, low: Batch) -> Batch:
        """No sample is changed: other examples have the same reconstruction too."""
        return raw

    def _opened(self) -> tuple[Coder, Representation]:
        """The autoencoder and the representation of its run."""
        if not self.model or self._opener is None:
            raise UsageError(
                "bridge.model is empty. Name a run that was trained with --objective autoencoder, "
                "such as --set bridge.model=runs/ae."
            )
        found = self._opener(self.model)
        if not isinstance(found.model, Coder):
            raise UsageError(
                f"{self.model} is not an autoencoder, so it reconstructs nothing. Name a run that "
                "was trained with --objective autoencoder in bridge.model."
            )
        seal = self.description.measured.get(SEAL)
        if seal and seal != (digest := digest_of(found.model.state_dict())):
            raise ModelFileError(
                f"The weights of {self.model} have changed: their checksum is {digest} instead of "
                f"{seal}. Restore that run, or train this one anew: it learns to mend what the "
                "former weights made."
            )
        return found.model, found.representation
