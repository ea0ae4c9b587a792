"""What may be wrong with molecules: positions in another unit than angstrom, and clashes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from difftool import Case, Check, Diagnosis

from .molecule import Molecule

BONDED = (0.7, 1.75)
"""Angstrom between which the nearest two atoms of any ordinary molecule are."""

UNITS = {"nanometres": 10.0, "bohr": 0.529177, "picometres": 0.01}
"""What positions are multiplied by to be in angstrom."""

CLASHING = 0.6
"""Angstrom below which two atoms lie in each other."""

SOME, MANY = 0.03, 0.25

AT_MOST = 500
"""Molecules whose distances are measured."""


class Geometry(Check):
    """The distance of the two nearest atoms tells the unit of positions."""

    needs = ("examples",)

    def look(self, case: Case) -> Iterator[Diagnosis]:
        assert case.examples is not None
        nearest = np.array([_nearest(one) for one in case.examples[:AT_MOST]])
        nearest = nearest[np.isfinite(nearest)]
        if not len(nearest):
            return
        usual = float(np.median(nearest))
        if not BONDED[0] < usual < BONDED[1]:
            yield _units(usual)
            return
        share = float((nearest < CLASHING).mean())
        if share > SOME:
            yield Diagnosis(
                "error" if share > MANY else "warning",
                "clashes",
                f"In {share:.0%} of {len(nearest):,} molecules two atoms are nearer than "
                f"{CLASHING:g} angstrom.",
                "Conformers were not relaxed, or coordinates are damaged. Relax them with a force "
                "field, or leave them out.",
                "difftool data check -m molecule DATA",
                weight=min(1.0, 0.55 + share / 2),
            )


def _units(usual: float) -> Diagnosis:
    fitting = [
        (name, factor) for name, factor in UNITS.items() if BONDED[0] < usual * factor < BONDED[1]
    ]
    fact = f"The nearest two atoms of a molecule are typically {usual:.3g} apart, where bonds have 1 to 1.5 angstrom."
    if fitting:
        name, factor = fitting[0]
        fix = f"Positions are probably in {name}. Multiply them by {factor:g}."
    else:
        fix = "Positions are in another unit, or are scaled. Convert them to angstrom."
    return Diagnosis("error", "wrong units", fact, fix, weight=1.0)


def _nearest(raw: np.ndarray) -> float:
    """The distance of the two nearest atoms."""
    at = Molecule.from_raw(raw).positions.astype(np.float64)
    if len(at) < 2:
        return float("nan")
    apart = np.linalg.norm(at[:, None] - at, axis=-1)
    return float(apart[np.triu_indices(len(at), 1)].min())
