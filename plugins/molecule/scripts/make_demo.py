"""Make the demo set that the package ships: small organic molecules, put together from cores and
groups, with RDKit's geometries.

    python plugins/molecule/scripts/make_demo.py [FILE]

The same molecules every time with the same version of RDKit (2026.9.1 made those of the package).
Each is a core to whose carbons groups are bound in place of hydrogens, until it has as many heavy
atoms as were drawn for it; what chemists would not find in a bottle is left out. A conformer of it
is embedded (ETKDGv3) and relaxed in the MMFF94 force field. Takes about half a minute.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rdkit import Chem, RDLogger
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

FILE = Path(__file__).parents[1] / "difftool_molecule" / "demo.npz"

COUNT = 3600

HEAVY = {3: 1, 4: 3, 5: 8, 6: 20, 7: 40, 8: 64, 9: 80}
"""How often molecules of so many heavy atoms are wished for.

There are few small ones: those are soon all found.
"""

CORES = """
    C CC CCC CCCC CC(C)C CC(C)(C)C C=C CC=C CC=CC C=CC=C C#C CC#C CC#CC
    C1CC1 C1CCC1 C1CCCC1 C1CCCCC1 C1=CCCC1 C1=CCCCC1 C1CC2CC1C2 C1CC2CCC1C2 C1CC2CC2C1 C1CC11CCC1
    C1CO1 C1COC1 C1CCOC1 C1CCOCC1 C1COCO1 C1COCCO1 C1CN1 C1CNC1 C1CCNC1 C1CCNCC1 C1COCCN1 C1CC2OC2C1
    C=O CC=O CC(C)=O C=CC=O O=C1CCC1 O=C1CCCC1 O=C1CCCCC1 O=C1C=CCC1
    OC=O CC(O)=O COC=O O=C1CCCO1 NC=O CC(N)=O CNC=O O=C1CCCN1 O=C1CNC1 CC#N N#CC=C
    CO CCO COC CCOC CN CNC CCN CN(C)C CF CC(F)F
    c1ccccc1 c1ccncc1 c1ccoc1 c1cc[nH]c1 c1cnc[nH]1 c1cocn1
"""

GROUPS = (
    "C C C C CC CCC C(C)C C1CC1 C=C C#C C#N O O O CO OC N N NC N(C)C CN F C(F)(F)F C=O C(C)=O "
    "C(=O)O C(N)=O C(=O)OC"
)
"""Each bound by its first atom; the more often it stands here, the more often it is taken."""

REFUSED = [
    Chem.MolFromSmarts(pattern)
    for pattern in (
        "[N,O,F]-[N,O,F]",  # bonds that break
        "[CX4]([N,O;!H0])[N,O,F]",  # carbons that let go of water, ammonia or hydrogen fluoride
        "[C;!a]=[C;!a]-[N,O;!H0]",  # enols and enamines, which become ketones and imines
        "[C,N]#C-[N,O,F]",
        "[CX3](=O)[F,$([CX2]#N)]",
        "[CX4](F)([F])([F])[F]",
        "[CX3;!r](=O)-[CX3;!r](=O)",
        "[CX4;!r](O)(O)O",
    )
]


def main() -> None:
    RDLogger.DisableLog("rdApp.*")
    numbers, positions = zip(*molecules(), strict=True)
    np.savez_compressed(
        Path(sys.argv[1]) if len(sys.argv) > 1 else FILE,
        sizes=np.array([len(one) for one in numbers], np.uint8),
        numbers=np.concatenate(numbers).astype(np.uint8),
        positions=np.concatenate(positions),
    )


def molecules() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """``COUNT`` different ones: atomic numbers ``[n]``, and positions as int16 ``[n, 3]`` in
    thousandths of an angstrom.
    """
    rng = random.Random(0)
    seen: set[str] = set()
    made = 0
    while made < COUNT:
        mol = built(rng)
        if mol is None or (smiles := Chem.MolToSmiles(mol)) in seen:
            continue
        seen.add(smiles)
        solid = geometry(smiles)
        if solid is not None:
            made += 1
            x = solid.GetConformer().GetPositions()
            yield (
                np.array([atom.GetAtomicNum() for atom in solid.GetAtoms()]),
                np.round(1000 * (x - x.mean(0))).astype(np.int16),
            )


def built(rng: random.Random) -> Chem.Mol | None:
    """A core with groups, of a size drawn at random, or None where that size was overshot or the
    outcome is refused.
    """
    wished = rng.choices(list(HEAVY), list(HEAVY.values()))[0]
    mol = Chem.MolFromSmiles(rng.choice(CORES.split()))
    while mol.GetNumAtoms() < wished:
        places = [
            atom.GetIdx()
            for atom in mol.GetAtoms()
            if atom.GetSymbol() == "C" and atom.GetTotalNumHs()
        ]
        if not places:
            return None
        mol = bound(mol, rng.choice(places), Chem.MolFromSmiles(rng.choice(GROUPS.split())))
    if mol.GetNumAtoms() > wished or any(mol.HasSubstructMatch(pattern) for pattern in REFUSED):
        return None
    return mol


def bound(mol: Chem.Mol, place: int, group: Chem.Mol) -> Chem.Mol:
    """The group's first atom in the place of a hydrogen of one atom."""
    both = Chem.RWMol(Chem.CombineMols(mol, group))
    both.AddBond(place, mol.GetNumAtoms(), Chem.BondType.SINGLE)
    Chem.SanitizeMol(both)
    return both.GetMol()


def geometry(smiles: str) -> Chem.Mol | None:
    """With hydrogens and a relaxed conformer, or None where there is none."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = 1
    parameters.maxIterations = 50
    if rdDistGeom.EmbedMolecule(mol, parameters) != 0:
        return None
    return mol if rdForceFieldHelpers.MMFFOptimizeMolecule(mol, maxIters=5000) == 0 else None


if __name__ == "__main__":
    main()
