"""A scheduler of diffusers as a difftool sampler.

Most walk the variance-preserving path z = x / sqrt(1 + sigma^2); difftool hands out the levels.
"""

from itertools import pairwise

import diffusers
import torch

from difftool import Step, order

SPEAK_SIGMA = ("EulerDiscreteScheduler", "HeunDiscreteScheduler")
"""They walk x itself."""
TABLED = ("DDIMScheduler", "PNDMScheduler")
"""They look levels up in a table of their own."""


@order("order")
def scheduler(denoise, x, sigmas, noise, scheduler, order):
    """The steps of a deterministic scheduler, which is told x0, or the noise if it wants that."""
    scales = [1.0 if scheduler in SPEAK_SIGMA else (1 + s**2) ** -0.5 for s in sigmas]
    made, calls, z = _made(scheduler, sigmas, order), _calls(scheduler, sigmas), x * scales[0]
    for t, (at, reached) in enumerate(calls):
        x_at = z / scales[at]
        x0 = denoise(x_at, sigmas[at])
        if reached and sigmas[reached] == 0 and scheduler not in (*SPEAK_SIGMA, *TABLED):
            z = x0.clone()  # an infinitely long step of an exponential integrator ends at x0
        else:
            told = (x_at - x0) / sigmas[at] if scheduler == "PNDMScheduler" else x0.clone()
            place = len(sigmas) - 1 - at if scheduler in TABLED else made.timesteps[t]
            z = made.step(told, place, z, return_dict=False)[0].to(x.dtype)
        if reached:
            yield Step(reached - 1, sigmas[reached], z / scales[reached], x0)


def _made(name, sigmas, order):
    """The scheduler, which visits these levels."""
    kind, n = getattr(diffusers, name), len(sigmas)
    if name in TABLED:
        ddim = {"clip_sample": False, "prediction_type": "sample"}
        more = ddim if name == "DDIMScheduler" else {"skip_prk_steps": True}
        made = kind(num_train_timesteps=n, **more)
        made.alphas_cumprod = 1 / (1 + torch.tensor(sigmas[::-1], dtype=torch.float64) ** 2)
        made.set_timesteps(n)
        return made
    more = {"solver_order": order, "lower_order_final": sigmas[-1] == 0}
    made = kind(prediction_type="sample", **({} if name in SPEAK_SIGMA else more))
    made.set_timesteps(max(1, n - 1))
    visited = [sigma for pair in pairwise(sigmas) for sigma in pair]  # Heun's come in pairs
    made.sigmas = torch.tensor(visited if "Heun" in name else sigmas, dtype=torch.float64)
    made.timesteps = torch.arange(len(made.sigmas), dtype=torch.float64)
    made.set_begin_index(0)
    made.is_scale_input_called = True
    return made


def _calls(name, sigmas):
    """For each evaluation, the places of its level and of the level that it reaches, if any."""
    steps = list(pairwise(range(len(sigmas))))
    if name == "HeunDiscreteScheduler":
        both = [call for at, to in steps for call in ((at, None), (to, to))]
        return [*both[:-2], steps[-1]] if steps and sigmas[-1] == 0 else both
    if name == "PNDMScheduler" and sigmas[1:2] not in (
        [],
        [0.0],
    ):  # it starts with a corrected step
        return [(0, None), (1, 1), *steps[1:]]
    return steps
