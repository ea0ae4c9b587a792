"""The header of a weight file, read without torch and validated."""

from __future__ import annotations

import os
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from .errors import ModelFileError
from .plain import parse_json

VERSION = 1
MODEL, CHECKPOINT, SNAPSHOT = "difftool-model", "difftool-checkpoint", "difftool-snapshot"
ADAPTER = "difftool-adapter"

DAMAGED = (
    "Use another copy, or an earlier checkpoint. The header is damaged or was changed by another "
    "program."
)

MOST = 100_000_000
"""Largest size of a header in bytes, as in the safetensors format."""


def read_about(path: Path, kind: str) -> dict[str, Any]:
    """The header of a weight file, without its tensors.

    Raises ModelFileError if the file is not of this kind.
    """
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.")
    found = path.stat()
    return deepcopy(_read(path, kind, found.st_ino, found.st_size, found.st_mtime_ns))


@lru_cache(maxsize=64)
def _read(path: Path, kind: str, *state: int) -> dict[str, Any]:
    """The header, cached while the file is unchanged: a command needs it more than once."""
    _refuse_pickle(path)
    try:
        header = _metadata(path)
    except (ValueError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged, truncated, or not a model file ({error}). Use another copy, or "
            "an earlier checkpoint."
        ) from None
    found = header.get("format", "a safetensors file that difftool did not write")
    if found != kind:
        raise ModelFileError(
            f"{path} is {found}, not a {kind}. Name the run's folder or its model.safetensors."
        )
    return about_of(path, header)


def _metadata(path: Path) -> Mapping[str, str]:
    """The metadata of a safetensors file, which is as long as its header says.

    Raises ValueError.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(size - 8, MOST):
            raise ValueError("its header is not whole")
        header = parse_json(file.read(length))
    try:
        metadata = header.get("__metadata__", {})
        end = max(
            (
                tensor["data_offsets"][1]
                for name, tensor in header.items()
                if name != "__metadata__"
            ),
            default=0,
        )
        plain = all(isinstance(value, str) for value in metadata.values())
    except (AttributeError, KeyError, IndexError, TypeError):
        raise ValueError("its header is not one of the safetensors format") from None
    if not plain or size != 8 + length + end:
        raise ValueError(
            "its tensors are not whole"
            if plain
            else "its header is not one of the safetensors format"
        )
    return metadata


def about_of(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    """What the header of a weight file says of it: at least ``config`` and ``description``, each a
    table. Raises ModelFileError.
    """
    version = header.get("version", "")
    if not version.isdecimal() or len(version) > 9:
        raise ModelFileError(f"{path} has no valid format version ({version!r}). {DAMAGED}")
    if int(version) > VERSION:
        raise ModelFileError(
            f"{path} has format version {version}, but this difftool reads versions up to "
            f"{VERSION}. Upgrade difftool."
        )
    from .about import About, adapter_of, checked, require_plain_numbers  # pydantic

    try:
        about = parse_json(header.get("about", ""))
    except ValueError as error:
        raise ModelFileError(
            f"{path} does not say what it was made with: of its entry 'about', {error}. {DAMAGED}"
        ) from None
    try:
        checked(adapter_of(About), about, "about")
        require_plain_numbers(about, "about")
    except ValueError as error:
        raise ModelFileError(
            f"{path} does not say what it was made with: {error}. {DAMAGED}"
        ) from None
    return dict(about)


PICKLES = (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""What pickles, and archives of them, begin with."""


def _refuse_pickle(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(9)
    # safetensors: the length of the header, which may begin as a pickle does, and its first brace
    if start.startswith(PICKLES) and start[8:] != b"{":
        raise ModelFileError(
            f"{path} is a pickle (a .pt or .ckpt file). difftool does not open pickles, because "
            "opening one can run any program. Convert it to safetensors if you trust it."
        )
