"""Weight files: safetensors with a header that describes them, written atomically."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ..errors import ModelFileError
from ..files import replacing
from ..header import ADAPTER, CHECKPOINT, DAMAGED, MODEL, SNAPSHOT, VERSION, read_about
from ..names import is_unicode

__all__ = [
    "ADAPTER",
    "CHECKPOINT",
    "MODEL",
    "SNAPSHOT",
    "load_weights",
    "read_about",
    "save_weights",
]


def save_weights(
    path: Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write contiguous CPU tensors and their description, atomically."""
    header = {"format": kind, "version": str(VERSION), "about": json.dumps(about)}
    with replacing(path) as temporary:
        save_file(dict(tensors), temporary, metadata=header)


@contextmanager
def _utf8(path: Path) -> Iterator[Path]:
    """The path, or a link to it where its name is not UTF-8, which safetensors does not open."""
    if is_unicode(str(path)):
        yield path
        return
    with TemporaryDirectory(prefix="difftool-") as folder:
        link = Path(folder) / "weights.safetensors"
        link.symlink_to(path.absolute())
        yield link


def load_weights(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a weight file, on the CPU, and the description in its header.

    Raises ModelFileError if the file is missing, damaged or of another kind.
    """
    about = read_about(path, kind)
    try:
        with _utf8(path) as place, safe_open(place, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, about  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, TypeError) as error:
        raise ModelFileError(
            f"{path} is damaged: its tensors cannot be read ({error}). {DAMAGED}"
        ) from None
