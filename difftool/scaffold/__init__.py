"""Write a new plugin package from templates: files with $placeholders, one folder per kind."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from .. import __version__
from ..errors import UsageError

KINDS = ("modality", "sampler", "backbone")
COMMON = "any"
"""The folder of templates that all packages share."""

PACKAGE = "package"
"""The folder in the templates that becomes the Python package."""

SUFFIX = ".template"


def distribution(name: str) -> str:
    """The name of a plugin's package for pip, and of its folder."""
    return f"difftool-{name.replace('_', '-')}"


def check_name(name: str) -> None:
    """Raise UsageError unless the name is valid for a plugin, its module and its function."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        raise UsageError(
            f"{name!r} cannot be a plugin's name. Use lower-case letters, digits and single "
            "underscores, such as my_data."
        )
    if keyword.iskeyword(name) or hasattr(builtins, name):
        raise UsageError(
            f"{name!r} cannot be a plugin's name. Choose another: Python reserves this one."
        )


def write_package(kind: str, name: str, folder: Path) -> None:
    """Write a package with one part of this kind into a folder that must not exist yet."""
    check_name(name)
    written = dict(_rendered(kind, name))
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{folder} exists already. Choose another folder with -o: nothing is overwritten."
        ) from None
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def _rendered(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """The path within the package's folder and the text of each file."""
    words = {
        "name": name,
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "distribution": distribution(name),
        "series": ".".join(__version__.split(".")[:2]),
    }
    for root in (COMMON, kind):
        for path, text in _templates(files(__name__) / root):
            yield (
                re.sub(f"^{PACKAGE}/", f"difftool_{name}/", path),
                Template(text).substitute(words),
            )


def _templates(root: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in root.iterdir():
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")
