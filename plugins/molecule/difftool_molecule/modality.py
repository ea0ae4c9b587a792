"""MoleculeModality: structure files <-> float32 ``[n, 5]``: position in angstrom, atomic number,
formal charge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import (
    Batch,
    Column,
    DataError,
    Description,
    Item,
    Modality,
    Options,
    Rng,
    Scene,
    Streams,
    remark,
    scan_folder,
)

from .connect import parts
from .elements import HYDROGEN, SYMBOLS, number
from .files import SUFFIXES, columns_of, molecule
from .molecule import Molecule
from .options import MoleculeOptions, MoleculeRequest, MoleculeSelection
from .request import fragment, placed, real, template
from .rotate import rotate


class MoleculeModality(Modality):
    """Molecules.

    Raw units are ``[n, 5]``, a row for each atom: x, y, z in angstrom, the atomic number, and the
    formal charge.

    For the equivariant network nothing is augmented: a turned or moved molecule is nothing new to
    it. ``rotate`` serves other networks.
    """

    options: MoleculeOptions
    marks_results = True

    @property
    def elements(self) -> tuple[int, ...]:
        """Atomic numbers, once they are settled."""
        return tuple(number(symbol) for symbol in self.settled("elements"))

    @property
    def max_atoms(self) -> int:
        """Of the molecules that are used, once it is settled."""
        return self.settled("max_atoms")

    @property
    def charged(self) -> bool:
        """Whether formal charges are learnt, once that is settled."""
        return self.settled("charges") == "keep"

    # --- files -> raw -----------------------------------------------------------------------------

    def scan(self, path: Path) -> list[Item]:
        """Every molecule of every file, with its properties as columns; what metadata files say of
        a file wins.
        """
        return [
            Item(file.path, {**columns, **file.columns}, part)
            for file in scan_folder(path, SUFFIXES)
            for part, columns in enumerate(columns_of(file.path))
        ]

    def fit(self, items: Sequence[Item]) -> MoleculeModality:
        from .measure import settle

        return self.with_options(**settle(self.options, items))

    def read(self, item: Item) -> np.ndarray:
        """The molecule, with its centre at the origin."""
        found = self._bare(self._whole(molecule(item.path, item.part), item))
        self._refuse(found, item)
        return self._raw(found)

    def read_given(self, item: Item) -> np.ndarray:
        """The whole molecule where it is, even if its parts are not connected."""
        found = self._bare(molecule(item.path, item.part))
        if strange := sorted(set(found.numbers.tolist()) - set(self.elements)):
            symbols, known = (
                ", ".join(SYMBOLS[z] for z in some) for some in (strange, self.elements)
            )
            raise DataError(
                f"{name(item)} holds {symbols}, and the model knows {known}. Give it molecules of "
                "these elements, or train a model with the others."
            )
        return self._raw(found, centred=False)

    def perceive(self, example: np.ndarray) -> np.ndarray:
        from .surroundings import surroundings

        return surroundings(example, self.elements)

    def read_sample(self, item: Item) -> np.ndarray:
        """The whole sample, even if its parts are not connected: whether they are is measured."""
        return self._raw(self._bare(molecule(item.path, item.part)))

    def _bare(self, found: Molecule) -> Molecule:
        """Without hydrogens, where those are dropped."""
        return (
            found.taken(np.flatnonzero(found.numbers != HYDROGEN))
            if self.options.hydrogens == "drop"
            else found
        )

    def _raw(self, found: Molecule, *, centred: bool = True) -> np.ndarray:
        raw = found.raw()
        if centred:
            raw[:, :3] -= raw[:, :3].mean(0)
        if not self.charged:
            raw[:, 4] = 0
        return raw

    def _whole(self, found: Molecule, item: Item) -> Molecule:
        """One connected molecule, unless several parts are wanted."""
        pieces = parts(found) if self.options.fragments != "keep" else []
        if len(pieces) < 2:
            return found
        sizes = [len(piece) for piece in pieces]
        if self.options.fragments == "skip":
            raise DataError(
                f"{name(item)} is in {len(pieces)} unconnected parts, of {shown(sizes)} atoms. "
                "Use the largest: --fragments largest."
            )
        remark(
            f"in {len(pieces)} unconnected parts, of {shown(sizes)} atoms; the largest is used "
            "(--fragments keep uses all)"
        )
        return found.taken(max(pieces, key=len))

    def _refuse(self, found: Molecule, item: Item) -> None:
        """What is beyond the settings."""
        if not len(found.numbers):
            raise DataError(
                f"{name(item)} has no atoms but hydrogen, and those are dropped. Keep them: "
                "--hydrogens keep."
            )
        if len(found.numbers) > self.max_atoms:
            raise DataError(
                f"{name(item)} has {len(found.numbers)} atoms, more than max_atoms = "
                f"{self.max_atoms}. Use it anyway with --max-atoms {len(found.numbers)}: memory "
                "grows with the square of the largest."
            )
        if strange := sorted(set(found.numbers.tolist()) - set(self.elements)):
            symbols = ", ".join(SYMBOLS[z] for z in strange)
            known = ",".join(SYMBOLS[z] for z in self.elements)
            raise DataError(
                f"{name(item)} holds {symbols}, and elements is {known}. Add them: --elements "
                f"{known},{symbols.replace(' ', '')}."
            )

    # --- raw batches ------------------------------------------------------------------------------

    def augment(self, raw: Batch, rng: Rng) -> Batch:
        return rotate(raw, rng) if self.options.rotate else raw

    def describe(
        self, shapes: np.ndarray
    ) -> tuple[tuple[int | None, ...], dict[str, Any], tuple[Column, ...]]:
        sizes, counts = np.unique(np.asarray(shapes)[:, 0], return_counts=True)
        extra = {
            "elements": list(self.elements),
            "sizes": np.stack((sizes, counts), 1).tolist(),
            "charged": self.charged,
        }
        return (None, 5), extra, ()

    def collate(self, examples: np.ndarray | Sequence[np.ndarray], rng: Rng) -> Batch:
        """Padded with zeros to the largest of the batch."""
        del rng
        lengths = np.array([len(example) for example in examples])
        x = np.zeros((len(examples), lengths.max(), 5), np.float32)
        for row, example in zip(x, examples, strict=True):
            row[: len(example)] = example
        return Batch(torch.from_numpy(x), mask=real(lengths))

    def template(self, description: Description, n: int, rng: Streams, request: Options) -> Batch:
        """Sizes as requested, by default distributed like the data's; a kept fragment comes first
        in each.
        """
        asked = _asked(request)
        return template(description, n, rng, asked, self._fragment(asked))

    def _fragment(self, asked: MoleculeRequest) -> np.ndarray:
        return fragment(asked.fragment, self.options.hydrogens == "keep")

    def request_of(self, shape: Sequence[int]) -> dict[str, Any]:
        return {"atoms": shape[0]}

    # --- raw -> files -----------------------------------------------------------------------------

    def write(
        self, example: np.ndarray, stem: Path, info: Mapping[str, Any], request: Options
    ) -> Path:
        from .write import write

        asked = _asked(request)
        return write(
            placed(example, self._fragment(asked)),
            stem,
            "sdf" if asked.format == "auto" else asked.format,
            info,
        )

    def scene(self, example: np.ndarray) -> Scene | None:
        from .ball_and_stick import scene

        return scene(example)

    def preview(
        self, examples: Sequence[np.ndarray], stem: Path, titles: Sequence[str] = ()
    ) -> Path:
        return self.overlay(examples, (), stem, titles)

    def overlay(
        self,
        examples: Sequence[np.ndarray],
        marks: Sequence[np.ndarray | None],
        stem: Path,
        titles: Sequence[str] = (),
    ) -> Path:
        """Kept atoms have a blue ring."""
        from difftool_image.write import write_png

        from .sheet import sheet

        path = stem.with_name(stem.name + ".png")
        return write_png(sheet(examples, titles, marks), path, replace=True)

    def select(
        self, example: np.ndarray, selection: Options
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """The molecule ``[n, 5]`` with the atoms that are asked for, and which are meant
        ``[n, 1]``.
        """
        from .selection import selected

        assert isinstance(selection, MoleculeSelection)
        return selected(example, selection)

    def put_back(self, made: np.ndarray, example: np.ndarray, selected: np.ndarray) -> np.ndarray:
        """The molecule moved to where its kept atoms are in the file, with these as they are."""
        from .selection import put_back

        return put_back(made, example, selected)

    def demo(self, folder: Path) -> None:
        from .demo import write_demo

        write_demo(folder)


def _asked(request: Options) -> MoleculeRequest:
    """The request; an empty one where it belongs to another modality."""
    return request if isinstance(request, MoleculeRequest) else MoleculeRequest()


def name(item: Item) -> str:
    """What to call the molecule when speaking of it."""
    return f"{item.path} (molecule {item.part + 1})"


def shown(sizes: Sequence[int]) -> str:
    return ", ".join(str(n) for n in sorted(sizes, reverse=True)[:5]) + (
        ", …" if len(sizes) > 5 else ""
    )
