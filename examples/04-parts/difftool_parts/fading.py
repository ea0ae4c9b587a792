"""Guidance that is strong where there is little noise and fades as noise grows."""

from difftool import Guidance, bind


class Fading(Guidance):
    """x0(cond) + (scale - 1) / (1 + sigma^2) * (x0(cond) - x0(null))."""

    def bind(self, denoiser, cond, mask=None, *, kept=()):
        null = denoiser.null(cond) | {name: cond[name] for name in kept}
        given, free = bind(denoiser, cond, mask), bind(denoiser, null, mask)

        def denoise(x, sigma):
            x0 = given(x, sigma)
            return x0 + (self.options.scale - 1) / (1 + sigma**2) * (x0 - free(x, sigma))

        return denoise
