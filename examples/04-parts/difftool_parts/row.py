"""A process: a row of the preconditioning table."""

from difftool import Coefficients, Preconditioning


class Angle(Preconditioning):
    """x = cos(t) x0 + sin(t) z, where tan t = sigma / sigma_data (Lu & Song 2024, arXiv:2410.11081).

    The network predicts the velocity dx/dt / sigma_data, and is told the angle t.
    """

    def __init__(self, options, schedule):
        self.sigma_data = options.sigma_data

    def coefficients(self, sigma):
        t = (sigma / self.sigma_data).atan()
        return Coefficients(
            skip=t.cos().square(),
            out=-self.sigma_data * t.sin(),
            in_=t.cos() / self.sigma_data,
            noise=t,
        )
