"""An objective: what is trained, and the loss that is minimised."""

from difftool import Objective, Player


class Huber(Objective):
    """Denoising by the pseudo-Huber loss of an example, sqrt(lambda e^2 + c^2) - c.

    Large errors count less than in a squared loss (Song & Dhariwal 2023, arXiv:2310.14189, Eq. 12).
    """

    def players(self):
        return [Player("denoiser", self.denoiser)]

    def loss(self, batch, rng, moment, player):
        noisy = self.noised(batch, rng)
        error = self.mean_square(self.denoiser(*noisy) - batch.x, batch)
        squared = self.process.weighting.weight(noisy.sigma) * error
        return (squared + self.options.c**2).sqrt() - self.options.c
