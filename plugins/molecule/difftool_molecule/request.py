"""Requested samples: their number of atoms, and the fragment that each contains."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from difftool import Batch, Description, Streams, UsageError, local_path

from .elements import HYDROGEN, SYMBOLS
from .files import columns_of, molecule
from .molecule import NUMBER
from .options import MoleculeRequest


def template(
    description: Description, n: int, rng: Streams, request: MoleculeRequest, given: np.ndarray
) -> Batch:
    """A raw batch ``[n, atoms, 5]`` of zeros, except for the fragment's atoms, which come first and
    are known.

    Args:
        given: the fragment, ``[k, 5]``.

    Raises:
        UsageError: the fragment leaves no atom to generate, or holds an element that the model does
            not know.
    """
    _refuse(given, description, request)
    sizes = _sizes(description, len(given), rng.uniform((n,)).double().cpu().numpy(), request)
    x = np.zeros((n, sizes.max(), 5), np.float32)
    x[:, : len(given)] = given
    mask = real(sizes)
    known = (
        (torch.arange(sizes.max()) < len(given))[None, :, None].expand(n, -1, 1)
        if len(given)
        else None
    )
    return Batch(torch.from_numpy(x), mask=mask, observed=known).map(lambda t: t.to(rng.device))


def real(sizes: np.ndarray) -> torch.Tensor:
    """The mask ``[b, n, 1]`` of molecules of these sizes, n the largest."""
    return (torch.arange(int(sizes.max())) < torch.from_numpy(sizes)[:, None])[:, :, None]


def _sizes(
    description: Description, given: int, uniform: np.ndarray, request: MoleculeRequest
) -> np.ndarray:
    """Atoms of each sample, ``[n]``: as requested; by default as often as in the data, larger than
    the fragment.
    """
    if request.atoms:
        return np.full(len(uniform), request.atoms)
    sizes, counts = np.asarray(description.extra["sizes"]).T
    larger = sizes > given
    if not larger.any():
        raise UsageError(
            f"{request.fragment} has {given} atoms, and the model has seen no molecule of more "
            f"than {sizes.max()}. Say how many atoms samples should have: --atoms {given + 5}, or "
            "give a smaller fragment."
        )
    edges = np.cumsum(counts[larger]) / counts[larger].sum()
    return sizes[larger][np.searchsorted(edges, uniform, side="right")]


def _refuse(given: np.ndarray, description: Description, request: MoleculeRequest) -> None:
    known = description.extra["elements"]
    if strange := sorted({int(z) for z in given[:, NUMBER]} - set(known)):
        symbols = ", ".join(SYMBOLS[z] for z in strange)
        raise UsageError(
            f"{request.fragment} holds {symbols}, which the model has never seen: it knows "
            f"{', '.join(SYMBOLS[z] for z in known)}. Give another fragment, or train on "
            "molecules with that element."
        )
    if request.atoms and request.atoms <= len(given):
        raise UsageError(
            f"--atoms {request.atoms} leaves no atom to generate, since {request.fragment} has "
            f"{len(given)}. Ask for more: --atoms {len(given) + 5}."
        )


@lru_cache(maxsize=4)
def fragment(path: str, hydrogens: bool) -> np.ndarray:
    """``[k, 5]``, the molecule in a file, where it lies, with its hydrogens or without; of no path,
    no atoms.

    Raises:
        UsageError: the file holds several molecules.
        DataError: it cannot be used.
    """
    if not path:
        return np.zeros((0, 5), np.float32)
    file = local_path(path)
    if (count := len(columns_of(file))) > 1:
        raise UsageError(
            f"{path} holds {count:,} molecules. Give a file of one, whose parts need not be "
            "connected."
        )
    raw = molecule(file).raw()
    return raw if hydrogens else raw[raw[:, NUMBER] != HYDROGEN]


def placed(example: np.ndarray, given: np.ndarray) -> np.ndarray:
    """A sample moved so that its fragment lies at ``[k, 5]``, with exactly these values."""
    if not len(given):
        return example
    example = example.copy()
    example[:, :3] += given[:, :3].mean(0) - example[: len(given), :3].mean(0)
    example[: len(given)] = given
    return example
