"""Model files, by their headers: read without torch, before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import UsageError
from .text import command


def modality_of(config: Mapping[str, Any]) -> str:
    """The modality's name in a model's plain configuration."""
    return str(config.get("modality", {}).get("use", ""))


def model_path(text: str) -> Path:
    """The model file that a word of the command line means. Raises UsageError."""
    path = Path(text)
    if path.is_file():
        return path
    from ..engine.folder import RunFolder, find_run

    folder = RunFolder.open(find_run(text))
    if not folder.model_path.is_file():
        raise UsageError(
            f"{folder.path} has no model yet: it has not come to its first checkpoint. Go on with: {command('resume', folder.path)}"
        )
    return folder.model_path


def plain_config(path: Path) -> dict[str, Any]:
    """The configuration in a model file's header, read without torch; empty when the file is not one of ours."""
    found = plain_about(path).get("config")
    return found if isinstance(found, dict) else {}


def plain_about(path: Path) -> dict[str, Any]:
    """What a model file's header says of the model, read without torch; empty when the file is not one of ours."""
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < 100_000_000 else {}
        return json.loads(header["__metadata__"]["about"])
    except (OSError, ValueError, KeyError, TypeError, MemoryError):
        return {}


def refines(path: Path) -> bool:
    """Whether a model is a later stage of a cascade, which makes nothing by itself."""
    from ..config import NONE

    return plain_config(path).get("bridge", {}).get("use", NONE) != NONE


def known_levels(path: Path) -> tuple[float, float]:
    """The ends of the range that a model was trained on, 0 for one that is open."""
    density = plain_config(path).get("density", {})
    return density.get("low", 0.0), density.get("high", 0.0)
