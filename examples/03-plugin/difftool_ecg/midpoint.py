"""The midpoint sampler. It does not depend on the kind of data, so it works with every modality."""

from itertools import pairwise

from difftool import Step, order


@order(2)
def midpoint(denoise, x, sigmas, noise):
    """Solve dx/dsigma = (x - D(x; sigma)) / sigma with the midpoint method.

    Half an Euler step leads to the midpoint; the slope there is used for the whole step.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        sigma_mid = (sigma + sigma_next) / 2
        x_mid = x + (sigma_mid - sigma) * (x - denoise(x, sigma)) / sigma
        x0 = denoise(x_mid, sigma_mid)
        x = x + (sigma_next - sigma) * (x_mid - x0) / sigma_mid
        yield Step(i, sigma_next, x, x0)
