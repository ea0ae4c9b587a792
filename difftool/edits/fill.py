"""Fill: what is selected is made anew (Song et al. 2021, arXiv:2011.13456, App. I.2)."""

from __future__ import annotations

from ..edit import Edit, Given, Start


class Fill(Edit):
    """Sampling from noise. The entries that are not selected are kept at every step."""

    selects = True

    def start(self, given: Given) -> Start:
        return Start(given.noise * given.sigmas[0], given.sigmas)
