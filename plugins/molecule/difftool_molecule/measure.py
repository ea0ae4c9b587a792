"""The values of ``auto`` for many molecules: the elements, the largest size, and whether there are
ions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from difftool import DataError, Item

from .elements import HYDROGEN, SYMBOLS, number
from .files import atoms_of, molecule
from .options import MOST_ATOMS, MoleculeOptions
from .reader import Atoms

USUAL = 0.995
"""Share of the molecules whose sizes are usual."""

OUTLIER = 2
"""A molecule more than this many times as large as usual is an outlier: memory and time grow with
the square of the largest.
"""

CHEAP = 50
"""Atoms up to which a molecule is not an outlier, since so few cost next to nothing."""


def settle(options: MoleculeOptions, items: Sequence[Item]) -> dict[str, Any]:
    """The options that are ``auto``, by name, as these molecules would have them.

    All molecules are looked at, at their atoms only. Those that are left out as too large do not
    count for the elements and charges; of those in several parts all atoms count.

    Raises:
        DataError: none of them can be read.
        UsageError: RDKit is needed and not installed.
    """
    missing = [
        name for name in ("elements", "max_atoms", "charges") if getattr(options, name) == "auto"
    ]
    if not missing:
        return {}
    if not (seen := compositions(options, items)):
        molecule(items[0].path, items[0].part)  # says what is wrong with it
        raise DataError(
            f"None of the {len(items):,} molecules can be used, so there is nothing to train on."
        )
    most = (
        auto_max_atoms([len(one.numbers) for one in seen])
        if options.max_atoms == "auto"
        else options.max_atoms
    )
    kept = [one for one in seen if len(one.numbers) <= most and _within(one, options)]
    found = {
        "elements": lambda: auto_elements(kept),
        "max_atoms": lambda: most,
        "charges": lambda: "keep" if any(one.charged for one in kept) else "drop",
    }
    return {name: found[name]() for name in missing}


def compositions(options: MoleculeOptions, items: Sequence[Item]) -> list[Atoms]:
    """The atoms of each molecule that can be read, without hydrogens if those are dropped."""
    wanted: dict[Path, list[int]] = defaultdict(list)
    for item in items:
        wanted[item.path].append(item.part)
    found: list[Atoms] = []
    for (
        path,
        parts,
    ) in (
        wanted.items()
    ):  # one after another: the work is Python's, which threads would only take turns at
        atoms = atoms_of(path)
        found += [
            one for part in parts if part < len(atoms) and (one := atoms[part]) and one.numbers
        ]
    return (
        [left for one in found if (left := _bare(one)).numbers]
        if options.hydrogens == "drop"
        else found
    )


def auto_max_atoms(sizes: Sequence[int]) -> int:
    """The largest size that is not an outlier.

    An outlier has more than twice as many atoms as the molecule at the 99.5th percentile (of fewer
    than 200, the largest but one), and more than 50; what cannot be set at all, over 4096, is one
    too.
    """
    usual = int(np.quantile(sizes, USUAL, method="lower"))
    limit = min(max(OUTLIER * usual, CHEAP), MOST_ATOMS)
    return max((size for size in sizes if size <= limit), default=limit)


def auto_elements(seen: Sequence[Atoms]) -> tuple[str, ...]:
    """The symbols of all elements that occur, by atomic number."""
    return tuple(SYMBOLS[z] for z in sorted({z for one in seen for z in one.numbers}))


def _bare(one: Atoms) -> Atoms:
    return Atoms([z for z in one.numbers if z != HYDROGEN], one.charged)


def _within(one: Atoms, options: MoleculeOptions) -> bool:
    """Whether all its elements are among those requested."""
    return options.elements == "auto" or {number(symbol) for symbol in options.elements}.issuperset(
        one.numbers
    )
