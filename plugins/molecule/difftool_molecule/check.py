"""What to know about a set of molecules before training on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from difftool import Finding, Inspection, Item, Look, digest, pick_evenly, some_names

from .connect import parts
from .elements import HYDROGEN, SYMBOLS
from .files import READERS
from .files import molecule as stored
from .modality import MoleculeModality
from .molecule import Molecule
from .near import near
from .packed import suffix_of

SLOW_SAMPLE = 500
"""Molecules looked at whose geometry has to be made."""

SHORT = 0.6
"""Angstrom below which nothing can be a bond: that of hydrogen has 0.74."""

WIDE = 1.75
"""Angstrom that the nearest atoms of ordinary molecules are well within: 1.1 with hydrogens, 1.5
without. In bohr it would be 2.1.
"""

RARE = 0.01  # share of the molecules that hold an element
BARE = 0.1  # share of the molecules without hydrogens

QM9 = ("H", "C", "N", "O", "F")
QM9_ATOMS = 29
QM9_MANY = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MoleculeLook(Look):
    """One molecule.

    Attributes:
        numbers: atomic numbers.
        charged: whether any atom has a formal charge.
        nearest: distance of the two nearest atoms, in angstrom; infinite where none are within
            ``WIDE``.
        parts: unconnected ones that are kept, by the file's bonds.
    """

    numbers: tuple[int, ...]
    charged: bool
    nearest: float
    parts: int


class MoleculeInspection(Inspection[MoleculeModality, MoleculeLook]):
    """Inspects sizes, elements, charges, parts and distances."""

    @classmethod
    def sample(cls, items: Sequence[Item]) -> list[Item]:
        """Fewer molecules if their geometry has to be computed, which takes long."""
        kinds: dict[bool, list[Item]] = {False: [], True: []}
        for item in items:
            kinds[_is_smiles(item)].append(item)
        return pick_evenly(kinds[False], cls.most) + pick_evenly(kinds[True], SLOW_SAMPLE)

    def look(self, item: Item) -> MoleculeLook:
        raw = self.modality.read(item)
        molecule = Molecule.from_raw(raw)
        gaps = near(molecule.positions, WIDE)[2]
        kept = self.modality.options.fragments == "keep"
        return MoleculeLook(
            item=item,
            shape=raw.shape,
            digest=digest(raw),
            numbers=tuple(molecule.numbers.tolist()),
            charged=bool(molecule.charges.any()),
            nearest=float(gaps.min()) if len(gaps) else np.inf,
            parts=len(parts(stored(item.path, item.part))) if kept else 1,
        )

    def lines(self, looks: Sequence[MoleculeLook]) -> Iterator[Finding]:
        if made := sum(_is_smiles(look.item) for look in looks):
            yield Finding(
                "note",
                f"SMILES: {made:,}. RDKit makes their geometries (ETKDGv3, then MMFF94), and "
                "models learn those.",
            )
        yield _sizes(self.modality, looks)
        yield from _elements(self.modality, looks)
        yield from _ions(self.modality, looks)
        yield from _parts(looks)
        yield from _distances(looks)

    def advice(self, items: Sequence[Item], looks: Sequence[MoleculeLook]) -> str:
        small = self.modality.max_atoms <= QM9_ATOMS and set(self.modality.options.elements) <= set(
            QM9
        )
        large = "qm9-edm" if small and len(items) >= QM9_MANY else "small"
        return f"--recipe tiny\na larger model, for a GPU: --recipe {large}"


def _is_smiles(item: Item) -> bool:
    return READERS[suffix_of(item.path)].startswith("smiles")


def _sizes(modality: MoleculeModality, good: Sequence[MoleculeLook]) -> Finding:
    low, middle, high = np.quantile([len(look.numbers) for look in good], [0, 0.5, 1])
    dropped = " without hydrogens" * (modality.options.hydrogens == "drop")
    return Finding(
        "ok",
        f"sizes from {low:.0f} to {high:.0f} atoms{dropped}, median {middle:.0f}; at most "
        f"{modality.max_atoms} are taken",
    )


def _elements(modality: MoleculeModality, good: Sequence[MoleculeLook]) -> Iterator[Finding]:
    atoms = Counter(SYMBOLS[z] for look in good for z in look.numbers)
    having = Counter(SYMBOLS[z] for look in good for z in set(look.numbers))
    shown = ", ".join(f"{symbol} ({count:,})" for symbol, count in atoms.most_common(12))
    yield Finding(
        "ok",
        f"elements, and atoms of each: {shown}; trained on {', '.join(modality.options.elements)}",
    )
    if rare := [symbol for symbol, count in having.items() if count < RARE * len(good)]:
        usual = ",".join(symbol for symbol in modality.options.elements if symbol not in rare)
        yield Finding(
            "note",
            f"in fewer than one molecule of a hundred: {', '.join(rare)}. To leave those "
            f"molecules out: --elements {usual}.",
        )
    if unseen := [symbol for symbol in modality.options.elements if symbol not in atoms]:
        seen = ",".join(symbol for symbol in modality.options.elements if symbol in atoms)
        yield Finding(
            "note",
            "in none of those looked at, or only in parts that are left out: "
            f"{', '.join(unseen)}. Without: --elements {seen}.",
        )
    bare = [look for look in good if HYDROGEN not in look.numbers]
    if modality.options.hydrogens == "keep" and len(bare) > BARE * len(good):
        yield Finding(
            "warning",
            f"without hydrogens: {some_names(look.item for look in bare)}. Add them first, as "
            "RDKit and Open Babel do, or leave all out with --hydrogens drop: of half of them, a "
            "model learns that they come and go.",
        )


def _ions(modality: MoleculeModality, good: Sequence[MoleculeLook]) -> Iterator[Finding]:
    if charged := [look for look in good if look.charged]:
        yield Finding(
            "ok",
            "formal charges, which samples have too (--charges drop learns none): "
            f"{some_names(look.item for look in charged)}",
        )
    elif modality.options.charges == "drop":
        yield Finding("ok", "no formal charges are learnt")


def _parts(good: Sequence[MoleculeLook]) -> Iterator[Finding]:
    if apart := [look for look in good if look.parts > 1]:
        yield Finding(
            "warning",
            "in several unconnected parts, such as salts: "
            f"{some_names(look.item for look in apart)}. Take the largest part only: --fragments "
            "largest.",
        )


def _distances(good: Sequence[MoleculeLook]) -> Iterator[Finding]:
    nearest = np.array([look.nearest for look in good if len(look.numbers) > 1])
    if len(nearest) and np.median(nearest) == np.inf:
        yield Finding(
            "error",
            f"In most of them no two atoms are nearer than {WIDE:g} angstrom, so nothing is "
            "bonded. Positions in bohr? Multiply them by 0.529177.",
        )
    elif clashing := [look for look in good if look.nearest < SHORT]:
        yield Finding(
            "warning",
            f"atoms nearer than any bond ({SHORT:g} angstrom): "
            f"{some_names(look.item for look in clashing)}. Correct or remove them.",
        )
    elif len(nearest):
        yield Finding(
            "ok",
            f"nearest atoms are {nearest.min():.2f} angstrom apart, in most molecules "
            f"{np.median(nearest):.2f}",
        )
