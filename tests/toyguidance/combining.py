"""CFG++ (Chung et al. 2024, arXiv:2406.08070): it depends on the next noise level."""

from __future__ import annotations

from itertools import pairwise

from difftool import Guidance, bind


class PlusPlus(Guidance):
    """The estimate with which a step of DDIM is that of CFG++ (Alg. 2).

    Its step is x0(guided) + r (x - x0(null)), r = sigma_next / sigma, in place of DDIM's
    x0 + r (x - x0). Both agree for x0 = (x0(guided) - r x0(null)) / (1 - r).
    """

    def __init__(self, options, sigmas=()):
        super().__init__(options)
        self.following = dict(pairwise(sigmas))

    def prepare(self, sampling):
        return PlusPlus(self.options, sampling.sigmas)

    def bind(self, denoiser, cond, mask=None, *, kept=()):
        null = denoiser.null(cond) | {name: cond[name] for name in kept}
        given, free = bind(denoiser, cond, mask), bind(denoiser, null, mask)

        def denoise(x, sigma):
            r, unguided = self.following.get(sigma, 0.0) / sigma, free(x, sigma)
            guided = unguided + self.options.scale * (given(x, sigma) - unguided)
            return (guided - r * unguided) / (1 - r)

        return denoise
