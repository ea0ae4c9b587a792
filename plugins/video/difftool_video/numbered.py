"""A folder of numbered pictures as one clip: ``frame_0001.png``, ``frame_0002.png``, ..."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from PIL import Image

from difftool import DataError, remark
from difftool_image.decode import decode, header

from .suffixes import PICTURES

COMPANY = (
    ".txt",
    ".csv",
    ".tsv",
    ".json",
    ".jsonl",
    ".xml",
    ".md",
    ".yaml",
    ".yml",
    ".toml",
    ".ini",
    ".log",
    ".db",
    ".html",
    ".srt",
)
"""What may lie next to the pictures: notes on them."""


def is_numbered(names: Iterable[str]) -> bool:
    """Whether files of these names are one clip: two pictures or more whose names differ in one
    number only, and at most notes next to them.
    """
    shown = [name for name in names if not name.startswith(".")]
    pictures = [name for name in shown if _suffix(name) in PICTURES]
    company = all(_suffix(name) in (*PICTURES, *COMPANY, "") for name in shown)
    return company and len(pictures) >= 2 and _numbers(pictures) is not None


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder that ``is_numbered``, by their number.

    Missing numbers are remarked on.

    Raises:
        DataError: it cannot be read, or is not such a folder any more.
    """
    try:
        names = [
            path.name
            for path in folder.iterdir()
            if not path.name.startswith(".") and _suffix(path.name) in PICTURES and path.is_file()
        ]
    except FileNotFoundError:
        raise DataError(
            f"{folder} does not exist any more. Was it moved while it was being read?"
        ) from None
    except OSError as error:
        raise DataError(
            f"The folder {folder} cannot be read. Check its permissions. ({error.strerror})"
        ) from None
    if len(names) < 2 or (numbers := _numbers(names)) is None:
        raise DataError(
            f"{folder} holds no pictures that are numbered as one clip. Name them frame_0001.png, "
            "frame_0002.png and so on."
        )
    order = sorted(zip(numbers, names, strict=True))
    _tell_gaps([number for number, _ in order])
    return [folder / name for _, name in order]


def frames(paths: Sequence[Path], near: int = 0) -> Iterator[Image.Image]:
    """The pictures, decoded and upright, in any mode of ``difftool_image.decode``.

    Args:
        near: the side that they will be reduced to, if they are larger.

    Raises:
        DataError: one is damaged, or not of the first one's size.
    """
    first: tuple[int, int] | None = None
    for path in paths:
        data = _bytes(path)
        height, width, _ = header(path, data)
        first = first or (height, width)
        if (height, width) != first:
            raise DataError(
                f"{path} is {height}x{width}, and {paths[0].name} is {first[0]}x{first[1]}. Bring "
                "them to one size if they are frames of a clip. If they are not, put them "
                "elsewhere: numbered pictures are taken for one."
            )
        yield decode(path, data, near)


def _bytes(path: Path) -> bytes | None:
    """The file's bytes; None if it cannot be read, which the decoder then reports."""
    try:
        return path.read_bytes()
    except OSError:
        return None


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _numbers(names: Sequence[str]) -> list[int] | None:
    """The number in which the names differ, of each; None where they differ in anything else, or in
    nothing that counts.
    """
    parts = [re.split(r"(\d+)", os.path.splitext(name)[0]) for name in names]
    alike = len({len(one) for one in parts}) == 1 and len({_suffix(name) for name in names}) == 1
    differing = (
        [i for i, column in enumerate(zip(*parts, strict=True)) if len(set(column)) > 1]
        if alike
        else []
    )
    if (
        len(differing) != 1 or differing[0] % 2 == 0
    ):  # what is split off at odd places are the numbers
        return None
    numbers = [int(one[differing[0]]) for one in parts]
    return numbers if len(set(numbers)) == len(numbers) else None


def _tell_gaps(numbers: Sequence[int]) -> None:
    steps = [after - before for before, after in pairwise(numbers)]
    if missing := sum(step // min(steps) - 1 for step in steps):
        first = next(
            number for number, step in zip(numbers, steps, strict=False) if step > min(steps)
        )
        remark(
            f"{missing:,} of its numbers {'are' if missing > 1 else 'is'} missing, after {first}: "
            "there the clip jumps"
        )
