"""The elements: symbols, atomic numbers, covalent radii."""

from __future__ import annotations

from difftool import DataError

_PERIODS = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd
    In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np
    Pu Am Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
"""

SYMBOLS = ("", *_PERIODS.split())
"""By atomic number, from 1 to 118; there is no element 0."""

_CORDERO = (
    0.31, 0.28, 1.28, 0.96, 0.84, 0.76, 0.71, 0.66, 0.57, 0.58, 1.66, 1.41, 1.21, 1.11, 1.07, 1.05, 1.02, 1.06, 2.03, 1.76, 1.70, 1.60,
    1.53, 1.39, 1.39, 1.32, 1.26, 1.24, 1.32, 1.22, 1.22, 1.20, 1.19, 1.20, 1.20, 1.16, 2.20, 1.95, 1.90, 1.75, 1.64, 1.54, 1.47, 1.46,
    1.42, 1.39, 1.45, 1.44, 1.42, 1.39, 1.39, 1.38, 1.39, 1.40, 2.44, 2.15, 2.07, 2.04, 2.03, 2.01, 1.99, 1.98, 1.98, 1.96, 1.94, 1.92,
    1.92, 1.89, 1.90, 1.87, 1.87, 1.75, 1.70, 1.62, 1.51, 1.44, 1.41, 1.36, 1.36, 1.32, 1.45, 1.46, 1.48, 1.40, 1.50, 1.50, 2.60, 2.21,
    2.15, 2.06, 2.00, 1.96, 1.90, 1.87, 1.80, 1.69, *(1.6,) * 22,
)  # fmt: skip

RADII = dict(enumerate(_CORDERO, 1))
"""Covalent radii in angstrom by atomic number (Cordero et al. 2008, doi:10.1039/b801115j); 1.6
beyond curium, where there are none.
"""

NUMBERS = {
    spelling: z
    for z, symbol in enumerate(SYMBOLS)
    if z
    for spelling in (symbol, symbol.upper(), symbol.lower(), str(z))
}
"""Atomic number by symbol, however it is capitalised, and by itself as text, as some files have it.

Isotopes of hydrogen are hydrogen.
"""

HYDROGEN = 1

NUMBERS |= dict.fromkeys(("D", "T"), HYDROGEN)


def number(symbol: str) -> int:
    """The atomic number of a symbol. Raises DataError for an unknown element."""
    if not (found := NUMBERS.get(symbol.strip(), 0)):
        raise DataError(
            f"There is no element {symbol!r}. Symbols are as in the periodic table: H, C, Cl."
        )
    return found
