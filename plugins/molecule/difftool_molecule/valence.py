"""The number of hydrogens that fill the valency of each heavy atom, from the lengths of its bonds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from .elements import RADII, SYMBOLS, number
from .molecule import Molecule
from .near import near

USUAL = {
    **dict.fromkeys(("H", "F", "Cl", "Br", "I", "At"), (1,)),
    **dict.fromkeys(("B", "Al", "Ga"), (3,)),
    **dict.fromkeys(("C", "Si", "Ge", "Sn"), (4,)),
    **dict.fromkeys(("N", "P", "As", "Sb"), (3, 5)),
    **dict.fromkeys(("S", "Se", "Te"), (2, 4, 6)),
    "O": (2,),
}
"""What the orders of an atom's bonds add up to, the usual first; more where terminal atoms are
doubly bonded to it. Others take no hydrogen.
"""

REACH = 1.2
"""Atoms are bonded up to this multiple of the sum of their covalent radii: over the longest bonds,
and under what lies across a small ring.
"""

DOUBLE = {
    "C-C": 143.5, "C-N": 140, "C-O": 130, "C-S": 174, "C-P": 175, "C-Se": 187, "B-O": 126, "N-N": 137, "N-O": 131, "N-S": 158, "N-P": 160,
    "O-P": 154, "O-S": 153, "O-Se": 168, "O-As": 170, "O-Cl": 155, "O-Br": 168, "O-I": 185, "P-S": 200, "S-S": 195,
}  # fmt: skip
"""Picometres under which a bond may be a double one: halfway to a single bond between atoms that
are part of conjugated double bonds.
"""

TRIPLE = {"C-C": 126.5, "C-N": 121.5, "C-O": 115, "N-N": 116}

FLAT = np.cos(np.radians(150))
"""Two bonds that lie wider apart than this, by its cosine, leave an atom two electrons for further
bonds; else it has one.
"""

TINY = 1e-6  # angstrom; two atoms at one place have no direction between them

WAYS = 4096
"""Ways to lay the bonds that are followed at a time; rings of molecules need some tens."""


Way = tuple[float, int, tuple | None]
"""What speaks for the bonds that are laid, their orders beyond single ones in all, and the last of
them, ``(i, j, orders, the one before)``.
"""

_merit = itemgetter(0, 1)


class Bond(NamedTuple):
    """One that may be more than single.

    Attributes:
        gains: how much speaks for one order more, and for two, in picometres.
    """

    i: int
    j: int
    gains: tuple[float, ...]


def hydrogens(raw: np.ndarray) -> int:
    """The total number of hydrogens that the atoms ``[n, 5]`` lack."""
    return int(lacking(raw).sum())


def lacking(raw: np.ndarray) -> np.ndarray:
    """How many hydrogens each of the atoms ``[n, 5]`` lacks, int64 ``[n]``, none of which is one; a
    single hydrogen lacks another.

    Atoms are bonded up to 1.2 times the sum of their covalent radii. Where valencies are open
    between two atoms that are near enough, bonds are made double and triple, those that are shorter
    first of all ways that agree; hydrogens take what is left. Of an ion the valency is that of the
    neutral element with as many electrons: four for N+ as for carbon. Atoms with too many bonds
    lack none. Of two ways that are as good, such as where the double bonds of a ring lie, one is
    taken.
    """
    numbers, positions, charges, _ = Molecule.from_raw(raw)
    first, second, length = near(positions, np.array([REACH * RADII[z] for z in numbers.tolist()]))
    count = np.bincount(np.concatenate((first, second)), minlength=len(numbers))
    alike = (numbers - charges).clip(0, len(SYMBOLS) - 1)
    pairs = list(zip(first.tolist(), second.tolist(), (100 * length).tolist(), strict=True))
    forced = _crowned(numbers, charges, count, pairs)
    valence = [
        _valence(z, n, forced[k])
        for k, (z, n) in enumerate(zip(alike.tolist(), count.tolist(), strict=True))
    ]
    free = np.array(
        [
            max(0, v - n - forced[k])
            for k, (v, n) in enumerate(zip(valence, count.tolist(), strict=True))
        ],
        int,
    )
    open_ = np.minimum(free, _room(positions, first, second, count))
    return free - _unsaturated(open_.tolist(), _bonds(numbers, open_, pairs))


def _valence(z: int, bonds: int, forced: int) -> int:
    """The usual valency of an element, or, of an atom with double bonds beyond it, the next that
    has room for them; 0 where there is none.
    """
    usual = USUAL.get(SYMBOLS[z], (0,))
    return next((v for v in usual if v >= bonds + forced), 0) if forced else usual[0]


def _crowned(
    numbers: np.ndarray, charges: np.ndarray, count: np.ndarray, pairs: list[tuple[int, int, float]]
) -> dict[int, int]:
    """Further orders of atoms by short bonds that a terminal O or S has to an atom of many
    valencies: sulfones, phosphates, nitro groups.

    An N has them only next to two other atoms and without a charge: else its one valency of three
    has room for the double bond, or the charge says the rest.
    """
    forced: dict[int, int] = defaultdict(int)
    for i, j, length in pairs:
        for end, middle in ((i, j), (j, i)):
            elements = SYMBOLS[numbers[end]], SYMBOLS[numbers[middle]]
            many = elements[1] in ("S", "P", "Se", "As", "Cl", "Br", "I") or (
                elements[1] == "N" and count[middle] > 2
            )
            bare = (
                count[end] == 1
                and elements[0] in ("O", "S")
                and not charges[end]
                and not charges[middle]
            )
            if (
                bare
                and many
                and count[middle] > 1
                and length < limit(DOUBLE, numbers[i], numbers[j])
            ):
                forced[end] += 1
                forced[middle] += 1
    return forced


def _room(
    positions: np.ndarray, first: np.ndarray, second: np.ndarray, count: np.ndarray
) -> np.ndarray:
    """How many orders more than single bonds each atom can have: two at the end of a bond or in the
    midst of a line, else one.
    """
    arrows: dict[int, list[np.ndarray]] = defaultdict(list)
    for i, j in zip(first.tolist(), second.tolist(), strict=True):
        arrow = positions[j] - positions[i]
        arrow = arrow / max(float(np.linalg.norm(arrow)), TINY)
        arrows[i].append(arrow)
        arrows[j].append(-arrow)
    straight = [
        n == 2 and float(arrows[k][0] @ arrows[k][1]) < FLAT for k, n in enumerate(count.tolist())
    ]
    return np.where((count == 1) | straight, 2, np.minimum(count, 1))


def _bonds(
    numbers: np.ndarray, room: np.ndarray, pairs: list[tuple[int, int, float]]
) -> list[Bond]:
    """The bonds that may have a higher order: both ends have room and are near enough."""
    found = []
    for i, j, length in pairs:
        twice, thrice = (
            limit(table, numbers[i], numbers[j]) - length for table in (DOUBLE, TRIPLE)
        )
        if twice > 0 and min(room[i], room[j]):
            found.append(
                Bond(
                    i,
                    j,
                    (twice, twice + thrice)
                    if thrice > 0 and min(room[i], room[j]) > 1
                    else (twice,),
                )
            )
    return found


def _unsaturated(room: list[int], bonds: list[Bond]) -> np.ndarray:
    """How many orders more than single each atom's bonds have, laid so that most speaks for them: a
    matching of the atoms that have room.

    Atom by atom, with all the ways to leave those that are yet to come; these are few where few
    rings run side by side.
    """
    touching: dict[int, list[Bond]] = defaultdict(list)
    for bond in bonds:
        touching[bond.i].append(bond)
        touching[bond.j].append(bond)
    ways: dict[tuple[tuple[int, int], ...], Way] = {
        (): (0.0, 0, None)
    }  # by what atoms that are yet to come have used
    done: set[int] = set()
    for atom in _walk(touching):
        later = [bond for bond in touching[atom] if not {bond.i, bond.j} & done]
        for bond in later:
            ways = _with(ways, bond, room)
        done.add(atom)
        ways = _best(
            (tuple(item for item in used if item[0] != atom), best) for used, best in ways.items()
        )
    taken, laid = np.zeros(len(room), int), max(ways.values(), key=_merit)[2]
    while laid is not None:
        i, j, more, laid = laid
        taken[[i, j]] += more
    return taken


def _walk(touching: dict[int, list[Bond]]) -> list[int]:
    """Atoms part by part, each part from one end on, so that what is begun is soon done with."""
    order: dict[int, None] = {}
    for start in sorted(touching, key=lambda atom: len(touching[atom])):
        row = [start] if start not in order else []
        order.update(dict.fromkeys(row))
        for atom in row:
            fresh = [
                other for bond in touching[atom] if (other := bond.i + bond.j - atom) not in order
            ]
            order.update(dict.fromkeys(fresh))
            row += fresh
    return list(order)


def _with(ways: dict, bond: Bond, room: list[int]) -> dict:
    """The ways, with the bond of each order that there is room for."""

    def grown() -> Iterator[tuple[Any, Any]]:
        for used, (gain, orders, laid) in ways.items():
            yield used, (gain, orders, laid)
            taken = dict(used)
            for more, gains in enumerate(bond.gains, 1):
                if all(taken.get(end, 0) + more <= room[end] for end in bond[:2]):
                    now = taken | {end: taken.get(end, 0) + more for end in bond[:2]}
                    yield (
                        tuple(sorted(now.items())),
                        (gain + gains, orders + more, (bond.i, bond.j, more, laid)),
                    )

    return _best(grown())


def _best(found: Iterable[tuple[Any, Any]]) -> dict:
    """Of the ways that leave the same, the best; and of all, the best ``WAYS``."""
    best: dict = {}
    for used, value in found:
        best[used] = max(best.get(used, value), value, key=_merit)
    return (
        dict(sorted(best.items(), key=lambda item: _merit(item[1]), reverse=True)[:WAYS])
        if len(best) > WAYS
        else best
    )


def limit(table: dict[str, float], one: int, other: int) -> float:
    """The largest distance of a bond of two elements in the table, in picometres; 0 if there is
    none.
    """
    return _limits(id(table)).get((int(one), int(other)), 0.0)


@cache
def _limits(which: int) -> dict[tuple[int, int], float]:
    """A table of this module by atomic numbers, in either order."""
    table = next(table for table in (DOUBLE, TRIPLE) if id(table) == which)
    ends = {
        tuple(number(symbol) for symbol in pair.split("-")): length
        for pair, length in table.items()
    }
    return {key: length for (a, b), length in ends.items() for key in ((a, b), (b, a))}
