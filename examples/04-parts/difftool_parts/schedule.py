"""A schedule: the noise level as a function of time, and the levels that samplers visit."""

import math

import torch

from difftool import Schedule


class EvenAngles(Schedule):
    """Evenly spaced angles t, where sigma = tan t."""

    def __init__(self, options):
        self.sigma_min, self.sigma_max = options.sigma_min, options.sigma_max
        self.first = math.atan(self.sigma_min)
        self.length = math.atan(self.sigma_max) - self.first

    def sigma(self, t):
        return (self.first + t.double() * self.length).tan()

    def time(self, sigma):
        return ((sigma.double().atan() - self.first) / self.length).clamp(0, 1)

    def sigmas(self, n):
        return [*self.sigma(torch.linspace(1, 1 / n, n, dtype=torch.float64)).tolist(), 0.0]
