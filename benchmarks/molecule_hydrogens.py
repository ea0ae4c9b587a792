"""Hydrogens added to the true heavy atoms of molecules that a model was not trained on, compared with the truth, chance and RDKit.

    python benchmarks/molecule_hydrogens.py RUN FILES [--n 256] [--steps 20] [--sampler NAME] [--level 0] [--smoke]

RUN is a run or a model file of a stage with the bridge hydrogens; FILES are SDF files with hydrogens and bonds. --smoke
needs neither: it trains a small network for two steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from common import arguments, emit, train, workplace
from rdkit import Chem
from synthetic import write_sdf
from training import UNDISTURBED

import difftool
from difftool import Description, Item, NoOptions
from difftool_molecule.perceive import perceived, smiles, tabulated
from difftool_molecule.stability import Stability
from difftool_molecule.valence import hydrogens
from difftool_molecule.validity import Validity

BOND = 1.09  # angstrom, carbon to hydrogen
SMOKE = ("CCO", "CC(=O)N", "c1ccccc1", "CCF")
BLANK = Description((None, 5), "float32", 0)


def main() -> None:
    options = parsed()
    with inputs(options) as (run, files):
        report = measure(run, files, options)
    emit(report, options.smoke)


def measure(run: Path, files: Path, options: argparse.Namespace) -> dict[str, Any]:
    chosen = {"sampler": options.sampler} if options.sampler else {}
    model = difftool.load(run).open(device=options.device, **chosen)
    modality = model.stage.modality
    items = modality.scan(files)[: options.n]
    truth = [modality.read(item) for item in items]
    low = [heavy(one) for one in truth]
    start = time.process_time()
    made = model.sample(
        len(low), steps=options.steps, batch=64, low=low, level=options.level
    ).examples
    spent = time.process_time() - start
    chance = [
        scattered(one, len(whole), k) for k, (one, whole) in enumerate(zip(low, truth, strict=True))
    ]
    examples = {
        "true molecules": truth,
        "at random, each on a heavy atom": chance,
        "RDKit, with the bonds of the file": [
            added(of_file(item), one) for item, one in zip(items, low, strict=True)
        ],
        "RDKit, bonds by the tables": [added(tabulated(one), one) for one in low],
        "model": made,
    }
    exact = np.mean(
        [len(one) + hydrogens(one) == len(whole) for one, whole in zip(low, truth, strict=True)]
    )
    return {
        "molecules": len(truth),
        "hydrogens_counted_to_the_atom": round(float(exact), 3),
        "rows": {name: row(some, truth) for name, some in examples.items()},
        "cpu_seconds_each": round(spent / len(low), 3),
    }


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", type=Path)
    parser.add_argument("files", nargs="?", type=Path)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sampler", default="")
    parser.add_argument("--level", type=float, default=0.0)
    parser.add_argument("--device", default="cpu")
    options = arguments(parser, {"n": 4, "steps": 2})
    if not options.smoke and not options.files:
        parser.error("name a run and SDF files, or take --smoke")
    return options


@contextmanager
def inputs(options: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """The run and the files of the command line; with --smoke ones that are made here."""
    if options.files:
        yield options.run, options.files
        return
    with workplace() as folder:
        files = folder / "data" / "molecules.sdf"
        write_sdf(files, SMOKE)
        small = {
            "bridge.use": "hydrogens",
            "backbone.use": "egnn",
            "backbone.layers": 1,
            "backbone.features": 16,
        }
        settings = {**UNDISTURBED, **small, "train.steps": 2, "train.batch": 2}
        for _ in train("molecule", files, folder / "run", settings):
            pass
        yield folder / "run", files


def row(examples: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> dict[str, float]:
    """The shares that the metrics find, and how many have the constitution of the true molecule."""
    stability, validity = (
        metric(NoOptions(), BLANK).measure(examples, []) for metric in (Stability, Validity)
    )
    same = np.mean(
        [named(one) == named(other) != "" for one, other in zip(examples, truth, strict=True)]
    )
    shares = {**stability, "validity": validity["validity"], "same_constitution": float(same)}
    return {name: round(float(value), 3) for name, value in shares.items()}


def named(raw: np.ndarray) -> str:
    """The constitution as SMILES; empty where the bonds make no molecule."""
    mol = perceived(raw)
    return "" if mol is None else smiles(mol)


def heavy(raw: np.ndarray) -> np.ndarray:
    return raw[raw[:, 3] != 1]


def scattered(low: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Add the missing hydrogens, each a bond's length away from a random heavy atom in a random direction."""
    rng, count = np.random.default_rng(seed), n - len(low)
    direction = rng.normal(size=(count, 3))
    places = low[rng.integers(len(low), size=count), :3] + BOND * direction / np.linalg.norm(
        direction, axis=1, keepdims=True
    )
    return np.concatenate((low, np.c_[places, np.ones(count), np.zeros(count)])).astype(np.float32)


def of_file(item: Item) -> Chem.Mol:
    """The molecule of a file, with the bonds of the file."""
    return Chem.RemoveHs(Chem.SDMolSupplier(str(item.path), removeHs=False)[item.part])


def added(mol: Chem.Mol | None, raw: np.ndarray) -> np.ndarray:
    """The heavy atoms ``raw`` with hydrogens where RDKit puts them; unchanged where ``mol`` could not be perceived."""
    if mol is None:
        return raw
    if not mol.GetNumConformers():
        conformer = Chem.Conformer(mol.GetNumAtoms())
        conformer.SetPositions(raw[:, :3].astype(np.float64))
        mol.AddConformer(conformer)
    whole = Chem.AddHs(mol, addCoords=True)
    rest = [(atom.GetAtomicNum(), atom.GetFormalCharge()) for atom in whole.GetAtoms()]
    return np.concatenate((whole.GetConformer().GetPositions(), rest), 1).astype(np.float32)


if __name__ == "__main__":
    main()
