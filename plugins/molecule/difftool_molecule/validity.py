"""The shares of samples that are valid molecules, unique, and not in the training set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from difftool import Metric

from .chemistry import require_rdkit
from .perceive import connected, perceived, smiles, tabulated


class Validity(Metric):
    """Validity, uniqueness and novelty, by RDKit.

    A valid sample is one whole molecule to xyz2mol, hydrogens and all. The validity of the graph is
    what was published: bonds from the tables, hydrogens thought in where they are missing, any
    number of parts. Networks that make little fragments do well by it.
    """

    def measure(
        self, examples: Sequence[np.ndarray], data: Sequence[np.ndarray]
    ) -> dict[str, float]:
        """Shares.

        Uniqueness is of the valid ones, novelty of those that are unique; all of them together are
        a share of all samples.

        Raises:
            UsageError: RDKit is not installed.
        """
        require_rdkit("Validity")
        total = len(examples)
        valid = names(examples)
        unique = set(valid)
        found = {
            "validity": len(valid) / total,
            "graph_validity": sum(tabulated(example) is not None for example in examples) / total,
            "uniqueness": _share(len(unique), len(valid)),
        }
        if not data:
            return found
        novel = len(unique.difference(names(data)))
        return {**found, "novelty": _share(novel, len(unique)), "valid_unique_novel": novel / total}


def names(examples: Iterable[np.ndarray]) -> list[str]:
    """The canonical SMILES of those that are one whole molecule."""
    mols = (perceived(example) for example in examples)
    return [smiles(mol) for mol in mols if mol is not None and connected(mol)]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
