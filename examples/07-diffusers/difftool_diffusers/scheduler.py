"""A scheduler of diffusers as a difftool sampler.

diffusers walks the variance-preserving path z = x / sqrt(1 + sigma^2); difftool hands out the levels.
"""

from itertools import pairwise

import diffusers
import torch

from difftool import Step, order


@order("order")
def scheduler(denoise, x, sigmas, noise, scheduler, order):
    """The steps of a multistep scheduler, which is told x0."""
    if len(sigmas) < 2:
        return
    made = getattr(diffusers, scheduler)(
        prediction_type="sample", solver_order=order, lower_order_final=sigmas[-1] == 0
    )
    made.set_timesteps(len(sigmas) - 1)
    made.sigmas = torch.tensor(sigmas, dtype=torch.float64)
    made.timesteps = torch.arange(len(sigmas) - 1)
    z = x / (1 + sigmas[0] ** 2) ** 0.5
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        x0 = denoise(z * (1 + sigma**2) ** 0.5, sigma)
        if sigma_next == 0:  # an infinitely long step of an exponential integrator ends at x0
            yield Step(i, sigma_next, x0.clone(), x0)
            return
        z = made.step(x0.clone(), made.timesteps[i], z, return_dict=False)[0].to(x.dtype)
        yield Step(i, sigma_next, z * (1 + sigma_next**2) ** 0.5, x0)
