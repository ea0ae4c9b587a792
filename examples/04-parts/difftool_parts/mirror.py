"""An edit: make an example anew from its mirror image."""

from difftool import Edit, Given, Start


class Mirror(Edit):
    """Half of the noise is added to the mirrored example, and removed again."""

    def start(self, given: Given) -> Start:
        sigmas = given.sigmas[len(given.sigmas) // 2 :]
        return Start(given.x.flip(-1) + sigmas[0] * given.noise, sigmas)
