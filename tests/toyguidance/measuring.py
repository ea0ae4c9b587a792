"""Reconstruction guidance (Ho et al. 2022, arXiv:2204.03458): it follows a gradient."""

from __future__ import annotations

import torch

from difftool import Guidance, bind


class Measured(Guidance):
    """Towards examples whose mean in model units is given, by the gradient through D   (Eq. 7)."""

    differentiates = True

    def bind(self, denoiser, cond, mask=None, *, kept=()):
        model = bind(denoiser, cond, mask)

        def denoise(x, sigma):
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                x0 = model(x, sigma)
                miss = x0.flatten(1).mean(1) - self.options.mean
                (slope,) = torch.autograd.grad(miss.square().sum() * x[0].numel(), x)
            return (x0 - self.options.scale * slope).detach()

        return denoise
