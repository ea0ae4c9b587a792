"""Settings of the molecule modality. Lengths are in angstrom; sizes are in atoms."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from difftool import Options

from .elements import SYMBOLS

MOST_ATOMS = 4096
"""Atoms that a molecule may have: what is computed for it grows with their square."""

Auto = Literal["auto"]


def _auto(value: Any) -> Any:
    return value.strip().lower() if isinstance(value, str) else value


def _symbols(value: Any) -> Any:
    """``"C, h,N"``, or a list of symbols -> ("H", "C", "N"): each once, by atomic number, so that
    the same elements are the same setting.
    """
    if isinstance(value, str) and value.strip().lower() == "auto":
        return "auto"
    symbols = value.split(",") if isinstance(value, str) else value
    if not isinstance(symbols, (list, tuple)) or not all(
        isinstance(symbol, str) for symbol in symbols
    ):
        return value
    found = {_symbol(symbol.strip()) for symbol in symbols if symbol.strip()}
    if not found:
        raise ValueError("no element is named; elements are written as in H,C,N,O,F")
    return tuple(sorted(found, key=SYMBOLS.index))


def _symbol(text: str) -> str:
    if text.capitalize() not in SYMBOLS[1:]:
        raise ValueError(f"{text!r} is not an element; elements are written as in H,C,N,O,F")
    return text.capitalize()


Atoms = Annotated[Auto | Annotated[int, Field(ge=1, le=MOST_ATOMS)], BeforeValidator(_auto)]
Elements = Annotated[Auto | tuple[str, ...], BeforeValidator(_symbols)]


class MoleculeOptions(Options):
    """What is taken of each molecule."""

    elements: Elements = Field(
        "auto",
        description="the elements that there are, such as H,C,N,O,F: molecules with others are "
        "left out; auto takes all that occur",
        json_schema_extra={"metavar": "auto|H,C,…"},
    )
    hydrogens: Literal["keep", "drop"] = Field(
        "keep", description="keep hydrogen atoms as the files have them, or drop them all"
    )
    max_atoms: Atoms = Field(
        "auto",
        description="larger molecules are left out; auto takes all but those of more than 50 "
        "atoms and twice as large as 199 of 200",
        json_schema_extra={"metavar": "auto|N"},
    )
    fragments: Literal["largest", "keep", "skip"] = Field(
        "largest",
        description="of a molecule in several unconnected parts, such as a salt: take the largest "
        "part, keep all, or skip it",
    )
    charges: Literal["auto", "keep", "drop"] = Field(
        "auto",
        description="keep: samples carry formal charges; drop: none are learnt; auto keeps them "
        "where some molecule has one",
    )
    rotate: bool = Field(
        False,
        description="turn every training molecule at random: for networks that are not "
        "equivariant, such as dit-atoms",
    )


class MoleculeFacts(Options):
    """What a model file says about its molecules."""

    elements: tuple[Annotated[int, Field(ge=1, lt=len(SYMBOLS))], ...] = Field(
        min_length=1, description="atomic numbers"
    )
    sizes: tuple[tuple[Annotated[int, Field(ge=1, le=MOST_ATOMS)], NonNegativeInt], ...] = Field(
        min_length=1, description="numbers of atoms, each with the number of molecules that have it"
    )
    charged: bool = Field(description="whether an atom has a charge")


class MoleculeRequest(Options):
    """The molecule modality's own flags of ``difftool sample``."""

    atoms: NonNegativeInt = Field(
        0, le=MOST_ATOMS, description="atoms of each sample; 0 for sizes as they occur in the data"
    )
    fragment: str = Field(
        "",
        description="a molecule, in one part or several, that every sample holds as it stands in "
        "the file; the rest is made around it",
        json_schema_extra={"metavar": "FILE"},
    )
    format: Literal["auto", "sdf", "xyz"] = Field(
        "auto", description="kind of file: SDF with perceived bonds, or XYZ; auto is sdf"
    )


class PointCloudOptions(Options):
    """What the numbers of an atom are divided by, apart from its position in angstrom.

    Hoogeboom et al. 2022, Sec. 4.
    """

    positions: PositiveFloat = Field(1.0, description="positions are divided by this")
    elements: PositiveFloat = Field(
        4.0, description="the one-hot vector of the element is divided by this, formal charges too"
    )
    numbers: Annotated[float, Field(ge=0)] = Field(
        10.0, description="the atomic number is divided by this; 0 leaves it out"
    )


class HydrogensOptions(Options):
    """An earlier stage that makes heavy atoms alone: this one adds the hydrogens."""

    renamed: ClassVar = {"augment": "max_aug_level"}

    max_aug_level: NonNegativeFloat = Field(
        0.0,
        description="noise conditioning augmentation: training adds noise of up to this sigma, in "
        "model units, to the positions of the heavy atoms; the stage learns to add hydrogens to "
        "imperfect skeletons; 0.1 angstrom is much",
    )


class MoleculeSelection(Options):
    """The molecule modality's own flags of ``difftool edit``: what part of a molecule is meant."""

    atoms: str = Field(
        "",
        description="atoms in the order of the file, from 1, such as 3-7,9",
        json_schema_extra={"metavar": "N-N,…"},
    )
    smarts: str = Field(
        "",
        description="atoms that match this SMARTS pattern, such as [OX2H]; needs RDKit",
        json_schema_extra={"metavar": "SMARTS"},
    )
    add: NonNegativeInt | Literal["auto"] = Field(
        0,
        description="atoms to add, which grow the molecule or link its parts; auto: as many as a "
        "linker between two parts has at their distance",
    )
