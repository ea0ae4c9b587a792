"""The shares of atoms and molecules whose bonds fit their valencies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from difftool import Metric

from .bonds import stable


class Stability(Metric):
    """Atom and molecule stability as published.

    Satorras et al. 2021, arXiv:2105.09016; Hoogeboom et al. 2022, arXiv:2203.17003.

    Hydrogens have to be there: where they were dropped, hardly an atom is stable, in the data as in
    samples.
    """

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """The share of atoms whose bonds' orders add up to a valency of their element, and of
        molecules all of whose atoms' do.
        """
        del data
        found = [stable(example) for example in examples]
        return {
            "atom_stability": float(np.concatenate(found).mean()),
            "molecule_stability": float(np.mean([atoms.all() for atoms in found])),
        }
