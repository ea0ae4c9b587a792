"""What a person should know of a set of molecules before training on it."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from difftool import (
    DataError,
    Finding,
    Item,
    UsageError,
    data_root,
    evenly,
    find_columns,
    find_duplicates,
    find_unreadable,
    parallel,
    remarks,
    short_name,
)

from .connect import parts
from .elements import HYDROGEN, SYMBOLS
from .files import READERS
from .files import molecule as stored
from .molecule import Molecule
from .near import near

if TYPE_CHECKING:
    from .modality import MoleculeModality

SAMPLE = 5000
"""Molecules looked at, whole; more are sampled evenly."""

SLOW_SAMPLE = 500
"""As ``SAMPLE``, of molecules whose geometry has to be made."""

SHORT = 0.6
"""Angstrom under which there is no bond: that of hydrogen has 0.74."""

WIDE = 1.75
"""Angstrom that the nearest atoms of ordinary molecules are well within: 1.1 with hydrogens, 1.5 without. In bohr it would be 2.1."""

RARE = 0.01  # share of the molecules that hold an element
BARE = 0.1  # share of the molecules without hydrogens

QM9 = ("H", "C", "N", "O", "F")
QM9_ATOMS = 29
QM9_MANY = 50_000


@dataclass(frozen=True, slots=True)
class Look:
    """One molecule, read once. ``bad`` says why it cannot be; the rest is empty then.

    Attributes:
        numbers: atomic numbers.
        nearest: distance of the two nearest atoms, in angstrom; infinite where none are within ``WIDE``.
        parts: unconnected ones that are kept, by the file's bonds.
        said: what training would remark on.
    """

    item: Item
    bad: str = ""
    digest: bytes = b""
    numbers: tuple[int, ...] = ()
    charged: bool = False
    nearest: float = np.inf
    parts: int = 1
    said: tuple[str, ...] = ()


def findings(modality: MoleculeModality, items: Sequence[Item]) -> Iterator[Finding]:
    """The report, line by line; the last one proposes what to do."""
    some = _sample(items)
    yield _count(items, len(some))
    try:
        modality = modality.fit(items)
    except (DataError, UsageError) as error:
        yield Finding("error", str(error))
        return
    looks = parallel(lambda item: _look(modality, item), some)
    yield from (faults := list(find_unreadable([look.bad for look in looks if look.bad], len(looks))))
    if not (good := [look for look in looks if not look.bad]):
        return
    if made := sum(_is_smiles(look.item) for look in good):
        yield Finding("note", f"SMILES: {made:,}. RDKit makes their geometries (ETKDGv3, then MMFF94), and models learn those.")
    yield _sizes(modality, good)
    yield from _elements(modality, good)
    yield from _ions(modality, good)
    yield from _parts(good)
    yield from _distances(good)
    yield from _remarks(good)
    yield from find_duplicates((_named(look.item), look.digest) for look in good)
    yield from find_columns(items)
    if not any(fault.level == "error" for fault in faults):
        yield _proposal(modality, items)


def _sample(items: Sequence[Item]) -> list[Item]:
    kinds: dict[bool, list[Item]] = {False: [], True: []}
    for item in items:
        kinds[_is_smiles(item)].append(item)
    return evenly(kinds[False], SAMPLE) + evenly(kinds[True], SLOW_SAMPLE)


def _is_smiles(item: Item) -> bool:
    return READERS[item.path.suffix.lower()].startswith("smiles")


def _count(items: Sequence[Item], looked_at: int) -> Finding:
    files = len({item.path for item in items})
    text = f"{len(items):,} molecule{'s' * (len(items) != 1)} in {files:,} file{'s' * (files != 1)}"
    return Finding("ok", text + (f" (looked at {looked_at:,} of them, evenly spread)" if looked_at < len(items) else ""))


def _look(modality: MoleculeModality, item: Item) -> Look:
    try:
        with remarks() as said:
            raw = modality.read(item)
            apart = len(parts(stored(item.path, item.part))) if modality.options.fragments == "keep" else 1
    except (DataError, OSError) as error:
        return Look(item, bad=str(error))
    molecule = Molecule.from_raw(raw)
    gaps = near(molecule.positions, WIDE)[2]
    return Look(
        item,
        digest=hashlib.blake2b(np.ascontiguousarray(raw).data, digest_size=16).digest(),
        numbers=tuple(molecule.numbers.tolist()),
        charged=bool(molecule.charges.any()),
        nearest=float(gaps.min()) if len(gaps) else np.inf,
        parts=apart,
        said=tuple(said),
    )


def _named(item: Item) -> Item:
    """An item by whose file a person can tell which molecule it is."""
    return replace(item, path=item.path.with_name(f"{item.path.name} molecule {item.part + 1}")) if item.part else item


def _some(looks: Sequence[Look], n: int = 5) -> str:
    """How many there are, and the names of the first."""
    more = f" and {len(looks) - n:,} more" if len(looks) > n else ""
    return f"{len(looks):,} ({', '.join(short_name(_named(look.item)) for look in looks[:n])}{more})"


def _sizes(modality: MoleculeModality, good: Sequence[Look]) -> Finding:
    low, middle, high = np.quantile([len(look.numbers) for look in good], [0, 0.5, 1])
    dropped = " without hydrogens" * (modality.options.hydrogens == "drop")
    return Finding("ok", f"sizes from {low:.0f} to {high:.0f} atoms{dropped}, median {middle:.0f}; at most {modality.max_atoms} are taken")


def _elements(modality: MoleculeModality, good: Sequence[Look]) -> Iterator[Finding]:
    atoms = Counter(SYMBOLS[z] for look in good for z in look.numbers)
    having = Counter(SYMBOLS[z] for look in good for z in set(look.numbers))
    shown = ", ".join(f"{symbol} ({count:,})" for symbol, count in atoms.most_common(12))
    yield Finding("ok", f"elements, and atoms of each: {shown}; trained on {', '.join(modality.options.elements)}")
    if rare := [symbol for symbol, count in having.items() if count < RARE * len(good)]:
        usual = ",".join(symbol for symbol in modality.options.elements if symbol not in rare)
        yield Finding(
            "note", f"in fewer than one molecule of a hundred: {', '.join(rare)}. To leave those molecules out: --elements {usual}."
        )
    if unseen := [symbol for symbol in modality.options.elements if symbol not in atoms]:
        seen = ",".join(symbol for symbol in modality.options.elements if symbol in atoms)
        yield Finding(
            "note", f"in none of those looked at, or only in parts that are left out: {', '.join(unseen)}. Without: --elements {seen}."
        )
    bare = [look for look in good if HYDROGEN not in look.numbers]
    if modality.options.hydrogens == "keep" and len(bare) > BARE * len(good):
        yield Finding(
            "warning",
            f"without hydrogens: {_some(bare)}. Add them first, as RDKit and Open Babel do, or leave all out with --hydrogens drop: "
            "of half of them, a model learns that they come and go.",
        )


def _ions(modality: MoleculeModality, good: Sequence[Look]) -> Iterator[Finding]:
    if charged := [look for look in good if look.charged]:
        yield Finding("ok", f"formal charges, which samples have too (--charges drop learns none): {_some(charged)}")
    elif modality.options.charges == "drop":
        yield Finding("ok", "no formal charges are learnt")


def _parts(good: Sequence[Look]) -> Iterator[Finding]:
    if apart := [look for look in good if look.parts > 1]:
        yield Finding(
            "warning", f"in several unconnected parts, such as salts: {_some(apart)}. Take the largest part only: --fragments largest."
        )


def _distances(good: Sequence[Look]) -> Iterator[Finding]:
    nearest = np.array([look.nearest for look in good if len(look.numbers) > 1])
    if len(nearest) and np.median(nearest) == np.inf:
        yield Finding(
            "error",
            f"In most of them no two atoms are nearer than {WIDE:g} angstrom, so nothing is bonded. Positions in bohr? Multiply them by 0.529177.",
        )
    elif clashing := [look for look in good if look.nearest < SHORT]:
        yield Finding("warning", f"atoms nearer than any bond ({SHORT:g} angstrom): {_some(clashing)}. Correct or remove them.")
    elif len(nearest):
        yield Finding("ok", f"nearest atoms are {nearest.min():.2f} angstrom apart, in most molecules {np.median(nearest):.2f}")


def _remarks(good: Sequence[Look]) -> Iterator[Finding]:
    """What reading remarked on, each kind once: texts that differ in their numbers only are of one kind."""
    kinds: dict[str, list[tuple[Look, str]]] = defaultdict(list)
    for look in good:
        for text in look.said:
            kinds[re.sub(r"\d[\d.,\s]*", "#", text)].append((look, text))
    for found in kinds.values():
        first = found[0][1] if len({text for _, text in found}) == 1 else f"such as {found[0][1]}"
        yield Finding("note", f"{_some([look for look, _ in found])}: {first}")


def _proposal(modality: MoleculeModality, items: Sequence[Item]) -> Finding:
    paths = {item.path for item in items}
    root = shlex.quote(str(paths.pop() if len(paths) == 1 else data_root(items)))
    like_qm9 = modality.max_atoms <= QM9_ATOMS and set(modality.options.elements) <= set(QM9) and len(items) >= QM9_MANY
    large = "qm9-edm" if like_qm9 else "small"
    return Finding("ok", f"to train: difftool train -m molecule {root} --recipe tiny (a CPU), or --recipe {large} (a GPU)")
