"""RDKit, an optional dependency: imported when it is needed, and silenced."""

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
    """Switch off RDKit's messages on stderr; our own messages report what matters."""
    from rdkit import rdBase

    rdBase.DisableLog("rdApp.*")
