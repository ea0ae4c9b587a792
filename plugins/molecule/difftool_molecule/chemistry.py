"""RDKit, which some of this plugin needs: imported where it is needed, and silent."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from difftool import UsageError


def has_rdkit() -> bool:
    """Whether RDKit is installed."""
    try:
        import rdkit  # noqa: F401
    except ImportError:
        return False
    return True


def require_rdkit(for_what: str) -> ModuleType:
    """``rdkit.Chem``.

    Args:
        for_what: what cannot be done without it, as the subject of a sentence, such as "Reading
            SMILES".

    Raises:
        UsageError: it is not installed; says how to.
    """
    try:
        from rdkit import Chem
    except ImportError as error:
        raise UsageError(
            f"{for_what} needs RDKit, which cannot be imported. Install it: pip install "
            f'"difftool-molecule[rdkit]". ({error})'
        ) from None
    _silence()
    return Chem


@cache
def _silence() -> None:
    """RDKit says on stderr what it thinks of each molecule; what matters of it is said in our own
    messages.
    """
    from rdkit import rdBase

    rdBase.DisableLog("rdApp.*")
