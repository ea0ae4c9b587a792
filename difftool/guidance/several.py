"""Several guidances as one: each takes the result of the one before for its denoiser."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from torch import Tensor

from ..denoiser import Cond, D
from ..options import NoOptions
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance, Sampling
from .guided import Guided


class Several(Guidance):
    """Guidances in order, the first nearest to the model: g_n(... g_2(g_1(D))).

    Without any, it is the conditional model.
    """

    def __init__(self, members: Sequence[Guidance]) -> None:
        super().__init__(NoOptions())
        self.members = tuple(members)
        self.differentiates = any(member.differentiates for member in members)
        self.recordable = all(member.recordable for member in members)
        self.limited = all(member.limited for member in members)

    def prepare(self, sampling: Sampling) -> Guidance:
        return Several([member.prepare(sampling) for member in self.members])

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        for member in self.members:
            denoiser = Guided(member, denoiser, kept)
        return bind(denoiser, cond, mask)
