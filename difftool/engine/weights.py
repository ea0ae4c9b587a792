"""Weight files: one self-describing safetensors file each, written whole or not at all, and never a pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ModelFileError
from ..files import replacing
from ..plain import parse_json

VERSION = 1

DAMAGED = "Its header is damaged or was changed by another program: take another copy, or an earlier checkpoint."
MODEL, CHECKPOINT, SNAPSHOT = "difftool-model", "difftool-checkpoint", "difftool-snapshot"


def save_weights(path: Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    """Write contiguous CPU tensors and what they are, atomically."""
    header = {"format": kind, "version": str(VERSION), "about": json.dumps(about)}
    with replacing(path) as temporary:
        save_file(dict(tensors), temporary, metadata=header)


def load_weights(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a weight file, on the CPU, and what it says of itself. Raises ModelFileError."""
    about = read_about(path, kind)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (not a dict)


def read_about(path: Path, kind: str) -> dict[str, Any]:
    """What a weight file says of itself, without its tensors. Raises ModelFileError when it cannot be what is asked for."""
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}.")
    _refuse_pickle(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"{path} is damaged or truncated, or no model file at all ({error}). Take another copy, or an earlier checkpoint."
        ) from None
    found = header.get("format", "a safetensors file that difftool did not write")
    if found != kind:
        raise ModelFileError(f"{path} is {found}, not a {kind}: give the run's folder or its model.safetensors.")
    return about_of(path, header)


def about_of(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    """What the header of a weight file says of it: at least ``config`` and ``description``, each a table. Raises ModelFileError."""
    version = header.get("version", "")
    if not version.isdecimal() or len(version) > 9:
        raise ModelFileError(f"{path} does not say its format version ({version!r}). {DAMAGED}")
    if int(version) > VERSION:
        raise ModelFileError(f"{path} has format version {version}, and this difftool reads up to {VERSION}: upgrade difftool.")
    try:
        about = parse_json(header.get("about", ""))
    except ValueError as error:
        raise ModelFileError(f"{path} does not say what it was made with: of its entry 'about', {error}. {DAMAGED}") from None
    for entry in ("config", "description"):
        if not isinstance(about, dict) or not isinstance(about.get(entry), dict):
            raise ModelFileError(f"{path} does not say what it was made with: its header has no table {entry!r}. {DAMAGED}")
    return about


def _refuse_pickle(path: Path) -> None:
    with open(path, "rb") as file:
        start = file.read(2)
    if start in (b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"):
        raise ModelFileError(
            f"{path} is a pickle (a .pt or .ckpt file). difftool does not open pickles, because opening one can run any program; "
            "convert it to safetensors where you trust it."
        )
