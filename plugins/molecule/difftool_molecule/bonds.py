"""Bonds from distances, by the published tables of bond lengths: what says whether the atoms of a
sample are bonded as they should be.

The tables are those of Hoogeboom et al. 2022 (arXiv:2203.17003), whose margins were chosen so that
the molecules of QM9 come out as stable as they can. They see lengths alone: bonds of an aromatic
ring or a carboxylate, halfway between single and double, are taken for one or the other.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from .elements import RADII, SYMBOLS, number
from .molecule import Molecule
from .near import near

MARGINS = {1: 0.10, 2: 0.05, 3: 0.03}
"""By how much, in angstrom, a bond may be longer than its table says."""

LENGTHS = {
    1: """
        H-H 74   H-B 119  H-C 109  H-N 101  H-O 96   H-F 92   H-Si 148 H-P 144  H-S 134  H-Cl 127 H-As 152 H-Br 141 H-I 161
        C-C 154  C-N 147  C-O 143  C-F 135  C-Si 185 C-P 184  C-S 182  C-Cl 177 C-Br 194 C-I 214
        N-N 145  N-O 140  N-F 136  N-P 177  N-S 168  N-Cl 175 N-Br 214 N-I 222
        O-O 148  O-F 142  O-Si 163 O-P 163  O-S 151  O-Cl 164 O-Br 172 O-I 194
        F-F 142  F-Si 160 F-P 156  F-S 158  F-Cl 166 F-Br 178 F-I 187
        Si-Si 233 Si-S 200 Si-Cl 202 Si-Br 215 Si-I 243
        P-P 221  P-S 210  P-Cl 203 P-Br 222
        S-S 204  S-Cl 207 S-Br 225 S-I 234
        B-Cl 175 Cl-Cl 199 Cl-Br 214 Br-Br 228 I-I 266
    """,
    2: "C-C 134 C-N 129 C-O 120 C-S 160 N-N 125 N-O 121 O-O 121 O-P 150 P-S 186",
    3: "C-C 120 C-N 116 C-O 113 N-N 110",
}
"""Lengths in picometres of bonds of each order."""

VALENCIES = {
    **dict.fromkeys(("H", "F", "Cl", "Br", "I"), (1,)),
    **dict.fromkeys(("He", "Ne", "Ar", "Kr", "Xe"), (0,)),
    **dict.fromkeys(("B", "Al", "N", "As"), (3,)),
    **dict.fromkeys(("C", "Si", "S"), (4,)),
    **dict.fromkeys(("P", "Bi"), (3, 5)),
    "O": (2,),
    "Hg": (1, 2),
}
"""What the orders of an atom's bonds may add up to; the noble gases are ours, for ions.

An element that is not here is never stable.
"""

MOST = 12
"""Bonds that an element is asked about; more never add up."""


class Bonds(NamedTuple):
    """Bonds by the tables, each once, sorted by their atoms.

    Attributes:
        first: int ``[m]``, which atom each is of.
        second: int ``[m]``, the other one, which comes after it.
        order: int8 ``[m]``, 1 to 3.
        length: float64 ``[m]``, in angstrom.
    """

    first: np.ndarray
    second: np.ndarray
    order: np.ndarray
    length: np.ndarray


def bonds(numbers: np.ndarray, positions: np.ndarray) -> Bonds:
    """The bonds of atoms at these places; where a place is not finite, there are none.

    A distance is a bond of the highest order whose length, with its margin, it stays below, and
    every order includes those under it. Two elements whose bonds no table lists are singly bonded
    up to the sum of their covalent radii, with the same margin.

    Args:
        numbers: int ``[n]``, atomic.
        positions: float64 ``[n, 3]`` in angstrom.
    """
    kinds = np.unique(numbers)
    with np.errstate(invalid="ignore"):  # infinite less infinite
        first, second, length = near(
            positions, float(limits()[:, kinds[:, None], kinds].max(initial=0))
        )
    below = length < limits()[:, numbers[first], numbers[second]]
    order = np.cumprod(below, 0, dtype=np.int8).sum(0, dtype=np.int8)
    return Bonds(*(column[order > 0] for column in (first, second, order, length)))


def stable(raw: np.ndarray) -> np.ndarray:
    """bool ``[n]`` of float ``[n, 5]``: atoms whose bonds' orders add up to what their element may
    have.

    Of an ion, that is what the neutral element with as many electrons may have: four for N+ as for
    carbon, one for O- as for fluorine.
    """
    numbers, positions, charges, _ = Molecule.from_raw(raw)
    found = bonds(numbers, positions)
    ends = np.concatenate((found.first, found.second))
    total = np.bincount(ends, np.tile(found.order, 2), len(numbers)).astype(int).clip(max=MOST)
    alike = (numbers - charges).clip(0, len(SYMBOLS) - 1)
    return allowed()[alike, total]


@cache
def limits() -> np.ndarray:
    """float64 ``[3, 119, 119]`` by atomic numbers: the largest distance of two atoms in a bond of
    order 1, 2 and 3; 0 for none.
    """
    radii = np.array([0.0, *RADII.values()])
    found = np.zeros((len(LENGTHS), len(SYMBOLS), len(SYMBOLS)))
    found[0] = radii[:, None] + radii + MARGINS[1]
    for k, table in LENGTHS.items():
        words = table.split()
        for pair, length in zip(words[::2], words[1::2], strict=True):
            a, b = (number(symbol) for symbol in pair.split("-"))
            found[k - 1, a, b] = found[k - 1, b, a] = int(length) / 100 + MARGINS[k]
    return found


@cache
def allowed() -> np.ndarray:
    """bool ``[119, 13]``: whether the orders of an element's bonds may sum to this number."""
    found = np.zeros((len(SYMBOLS), MOST + 1), bool)
    found[0, 0] = True  # a proton has no electrons
    for symbol, sums in VALENCIES.items():
        found[number(symbol), list(sums)] = True
    return found
