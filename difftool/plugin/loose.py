"""Parts in a single file, to try before they are packaged: ``use = "file.py:Name"`` and
``--plugin``.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import PluginError, UsageError
from ..shell import FILES
from .discovery import Plugin
from .file_module import module_of
from .kinds import Kind
from .spec import Spec

LOOSE = "(a file)"
"""Stands for the version of a part that no package provides."""

SUFFIX = ".py"


def files() -> list[Path]:
    """The files that ``--plugin`` names."""
    return [Path(text) for text in os.environ.get(FILES, "").split(os.pathsep) if text]


def add_file(text: str) -> None:
    """Use the plugin in a file, in this process and in those that it starts.

    Raises:
        UsageError: there is no such file.
    """
    path = Path(text).expanduser().absolute()
    if path.suffix != SUFFIX or not path.is_file():
        raise UsageError(f"--plugin takes a Python file, and {text} is none. Check the path.")
    known = os.environ.get(FILES, "")
    os.environ[FILES] = os.pathsep.join(filter(None, [known, str(path)]))


def plugin_of(path: Path) -> Plugin:
    """A file as a plugin."""
    return Plugin(path.stem, str(path), str(path), LOOSE)


def is_reference(name: str) -> bool:
    """Whether a part's name is ``file.py:Name``."""
    return name.partition(":")[0].endswith(SUFFIX) and ":" in name


def spec_of(kind: Kind, name: str) -> Spec:
    """The spec of ``file.py:Name``. Its options are the file's ``NameOptions``, if there is one.

    Raises:
        UsageError: parts of this kind need more than a name, or there is no such file.
        PluginError: the file cannot be imported, or holds no ``Name``.
    """
    file, _, attribute = name.partition(":")
    if kind.spec is not Spec:
        raise UsageError(
            f"{name} cannot be a {kind.name}, because a {kind.spec.__name__} says more than where "
            f"the code is. Write a hook {kind.hook} in {file}, and pass --plugin {file}."
        )
    if not Path(file).expanduser().is_file():
        raise UsageError(f"There is no file {file}, which {name} names. Check the path.")
    try:
        module = module_of(Path(file))
    except Exception as error:
        raise PluginError(f"{file} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, attribute):
        raise PluginError(f"{file} has no {attribute!r}. Check the name after the colon.")
    options = f"{attribute[:1].upper()}{attribute[1:]}Options"
    found = f"{file}:{options}" if hasattr(module, options) else ""
    return Spec(name, f"from {file}", name, found)
