"""Write a new plugin package from templates: files with $placeholders, one folder per kind."""

from __future__ import annotations

import builtins
import keyword
import re
import time
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from .. import __version__
from ..errors import UsageError
from ..plugin.kinds import KINDS as KIND
from .kinds import TEMPLATES

KINDS = ("modality", "sampler", "backbone", *TEMPLATES)
COMMON, PART = "any", "part"
"""The folders of templates that all packages share, and those of one small part."""

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
    written = dict(rendered(kind, name))
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{folder} exists already. Choose another folder with -o: nothing is overwritten."
        ) from None
    for path, text in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


def rendered(kind: str, name: str) -> Iterator[tuple[str, str]]:
    """The path within the package's folder and the text of each file."""
    words = {
        "name": name,
        "Name": "".join(part.capitalize() for part in name.split("_")),
        "distribution": distribution(name),
        "series": ".".join(__version__.split(".")[:2]),
        "year": time.strftime("%Y"),
        "entry": _entry(kind, name),
    }
    found = dict(_templates(files(__name__) / COMMON))
    if kind in TEMPLATES:
        found |= dict(_templates(files(__name__) / PART))
    own = dict(_templates(files(__name__) / kind))
    if kind in TEMPLATES:
        words |= _words_of(kind, words, with_options="package/options.py" in own)
    if kind == "command":
        del found["package/plugin.py"]
    for path, text in (found | own).items():
        place = re.sub(f"^{PACKAGE}/", f"difftool_{name}/", re.sub("^github/", ".github/", path))
        yield place, Template(text).substitute(words)


def _entry(kind: str, name: str) -> str:
    """The entry point, as it stands in pyproject.toml."""
    if kind == "command":
        return (
            f'[project.entry-points."difftool.commands"]\n{name} = "difftool_{name}.command:{name}"'
        )
    return f'[project.entry-points.difftool]\n{name} = "difftool_{name}.plugin"'


def _words_of(kind: str, words: Mapping[str, str], with_options: bool) -> dict[str, str]:
    """What the shared templates of one small part are filled with."""
    template, name = TEMPLATES[kind], words["name"]
    more = [f'"difftool_{name}.options:{words["Name"]}Options"'] if with_options else []
    more += [template.more.format(**words)] if template.more else []
    contract = template.test.partition("(")[0]
    rows = {"options": "settings, imported without torch", "column": "the values of the condition"}
    shown = [one for one in rows if (one == "options" and with_options) or one in template.more]
    return {
        "kind": kind,
        "summary": template.summary,
        "spec": template.spec,
        "hook": KIND[kind].hook if kind in KIND else "",
        "target": name if template.function else words["Name"],
        "more": "".join(f"            {one},\n" for one in more),
        "imports": f"{template.imports}from difftool.testing import {contract}",
        "setup": template.setup.format(**words),
        "test": f"Test{words['Name']} = {template.test.format(**words)}",
        "try": template.attempt.format(**words),
        "rows": "".join(f"| `difftool_{name}/{one}.py` | {rows[one]} |\n" for one in shown),
    }


def _templates(root: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in root.iterdir():
        if entry.is_dir():
            yield from _templates(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(SUFFIX):
            yield prefix + entry.name.removesuffix(SUFFIX), entry.read_text(encoding="utf-8")
