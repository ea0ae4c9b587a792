"""A weighting: how much each noise level counts."""

from difftool import Weighting


class Soft(Weighting):
    """sigmoid(b - SNR in nats) on the error of the noise (Kingma & Gao 2023, arXiv:2303.00848).

    An error of x0 is sigma times as large as one of the noise: lambda = sigmoid / sigma^2.
    """

    def __init__(self, options, preconditioning):
        self.bias = options.bias

    def weight(self, sigma):
        return (self.bias + 2 * sigma.log()).sigmoid() / sigma.square()
