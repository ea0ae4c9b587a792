"""Autoguidance (Karras et al. 2024, arXiv:2406.02507): it opens another model."""

from __future__ import annotations

from difftool import Guidance, bind


class Weaker(Guidance):
    """Away from the estimate of a worse model of the same data   (Eq. 3)."""

    def __init__(self, options, worse):
        super().__init__(options)
        self.worse = worse

    @classmethod
    def build(cls, options, context):
        return cls(options, context.open(options.run, ema=options.ema).denoiser)

    def bind(self, denoiser, cond, mask=None, *, kept=()):
        better, worse = bind(denoiser, cond, mask), bind(self.worse, cond, mask)

        def denoise(x, sigma):
            x0 = better(x, sigma)
            return x0 + self.options.scale * (x0 - worse(x, sigma))

        return denoise
