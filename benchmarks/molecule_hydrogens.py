"""Hydrogens put on the true heavy atoms of molecules that a model was not trained on, beside the truth, chance and RDKit.

    python benchmarks/molecule_hydrogens.py RUN FILES [--n 256] [--steps 20] [--sampler NAME] [--level 0]

RUN is a run or a model file of a stage with the bridge hydrogens; FILES are SDF files with hydrogens and bonds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rdkit import Chem

from difftool import Description, Item, NoOptions
from difftool.assemble import load_stage
from difftool.engine.generate import SampleRequest, generate
from difftool.plugin.registry import Registry
from difftool.workflows.model import model_path
from difftool_molecule.perceive import perceived, smiles, tabulated
from difftool_molecule.stability import Stability
from difftool_molecule.valence import hydrogens
from difftool_molecule.validity import Validity

BOND = 1.09  # angstrom, carbon to hydrogen
BLANK = Description((None, 5), "float32", 0)


def main() -> None:
    asked = arguments()
    parts = Registry.load_all()
    stage = load_stage(model_path(asked.run), parts, device=asked.device)
    if asked.sampler:
        stage = replace(stage, **sampler(asked.sampler, parts))
    items = stage.modality.scan(asked.files)[: asked.n]
    truth = [stage.modality.read(item) for item in items]
    low = [heavy(one) for one in truth]
    exact = np.mean([len(one) + hydrogens(one) == len(whole) for one, whole in zip(low, truth, strict=True)])
    print(f"{len(truth)} molecules; hydrogens counted to the atom in {exact:.3f} of them")
    row("true molecules", truth, truth)
    row(
        "at random, on a heavy atom each",
        [scattered(one, len(whole), k) for k, (one, whole) in enumerate(zip(low, truth, strict=True))],
        truth,
    )
    row("RDKit, told the bonds", [added(told(item), one) for item, one in zip(items, low, strict=True)], truth)
    row("RDKit, bonds by the tables", [added(tabulated(one), one) for one in low], truth)
    start = time.process_time()
    made = generate(stage, SampleRequest(len(low), asked.steps, batch=64, low=low, level=asked.level))
    row("model", [one.example for one in made], truth)
    print(f"{(time.process_time() - start) / len(low):.3f} CPU seconds for each")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("files", type=Path)
    parser.add_argument("--n", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--sampler", default="")
    parser.add_argument("--level", type=float, default=0.0)
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def sampler(name: str, parts: Registry) -> dict:
    """Another sampler, with its own settings as they are by default."""
    spec = parts.get("sampler", name)
    return {"sampler": parts.load(spec), "knobs": parts.options(spec)().model_dump()}


def row(name: str, examples: Sequence[np.ndarray], truth: Sequence[np.ndarray]) -> None:
    stability, validity = (metric(NoOptions(), BLANK).measure(examples, []) for metric in (Stability, Validity))
    alike = np.mean([named(one) == named(other) != "" for one, other in zip(examples, truth, strict=True)])
    shown = [*stability.values(), validity["validity"], alike]
    print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in shown) + " |", flush=True)


def named(raw: np.ndarray) -> str:
    """The constitution; none of what is no molecule."""
    mol = perceived(raw)
    return "" if mol is None else smiles(mol)


def heavy(raw: np.ndarray) -> np.ndarray:
    return raw[raw[:, 3] != 1]


def scattered(low: np.ndarray, n: int, seed: int) -> np.ndarray:
    """The hydrogens that are missing, each a bond away from any heavy atom in any direction."""
    rng, count = np.random.default_rng(seed), n - len(low)
    way = rng.normal(size=(count, 3))
    places = low[rng.integers(len(low), size=count), :3] + BOND * way / np.linalg.norm(way, axis=1, keepdims=True)
    return np.concatenate((low, np.c_[places, np.ones(count), np.zeros(count)])).astype(np.float32)


def told(item: Item) -> Chem.Mol:
    """The molecule of a file, its bonds as the file has them."""
    return Chem.RemoveHs(Chem.SDMolSupplier(str(item.path), removeHs=False)[item.part])


def added(mol: Chem.Mol | None, raw: np.ndarray) -> np.ndarray:
    """The heavy atoms ``raw`` with hydrogens where RDKit puts them; as they are, where the bonds were none that can be."""
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
