"""A sampler: it serves every kind of data."""

from itertools import pairwise

from difftool import Step, order


@order(2)
def ralston(denoise, x, sigmas, noise):
    """Ralston's method: the two-stage Runge-Kutta method with the smallest error bound.

    Ralston 1962, Math. Comp. 16(80). The slope is dx/dsigma = (x - D(x; sigma)) / sigma.
    """
    for i, (sigma, sigma_next) in enumerate(pairwise(sigmas)):
        h = sigma_next - sigma
        first = (x - denoise(x, sigma)) / sigma
        between = sigma + 2 / 3 * h
        x0 = denoise(x + 2 / 3 * h * first, between)
        second = (x + 2 / 3 * h * first - x0) / between
        x = x + h * (first + 3 * second) / 4
        yield Step(i, sigma_next, x, x0)
