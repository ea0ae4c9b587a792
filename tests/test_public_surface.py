"""What plugins and notebooks rely on, names and signatures, stands in one reviewed file: nothing of it changes unseen.

Write the file anew with: python tests/test_public_surface.py
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import difftool

FILE = Path(__file__).with_name("public_surface.txt")
HEADER = "# The public surface of difftool. Review every change. Written by: python tests/test_public_surface.py\n\n"


def surface() -> str:
    lines = [
        line
        for name in difftool.__all__
        if name not in ("__version__", "data")
        for line in described(name, getattr(difftool, name))
    ]
    lines += [
        line
        for name in difftool.data.__all__
        for line in described(f"data.{name}", getattr(difftool.data, name))
    ]
    return HEADER + "\n".join(lines) + "\n"


def described(name: str, thing: Any) -> Iterator[str]:
    """A function's signature; of a class, that of its construction and of every public method of its own."""
    if inspect.isclass(thing):
        own = "" if issubclass(thing, BaseException) else signature(thing)
        bases = ", ".join(base.__name__ for base in thing.__bases__ if base is not object)
        yield f"class {name}{f'({bases})' if bases else ''}{f': {own}' if own else ''}"
        yield from (
            f"    {line}" for attribute in sorted(vars(thing)) for line in member(thing, attribute)
        )
    else:
        yield (
            f"def {name}{signature(thing)}"
            if callable(thing)
            else f"{name}: {type(thing).__name__}"
        )


def member(owner: type, name: str) -> Iterator[str]:
    """A public attribute that a class itself defines; fields stand in its signature already."""
    fields = (
        {field.name for field in dataclasses.fields(owner)}
        if dataclasses.is_dataclass(owner)
        else set()
    )
    if (
        (name.startswith("_") and name != "__call__")
        or name in fields
        or name in getattr(owner, "model_fields", {})
        or name == "model_config"
    ):
        return
    thing = inspect.getattr_static(owner, name)
    if isinstance(thing, property):
        yield f"{name}: property"
    elif callable(thing) or isinstance(thing, staticmethod | classmethod):
        yield f"{name}{signature(getattr(owner, name))}"


def signature(thing: Any) -> str:
    if isinstance(thing, type) and issubclass(thing, difftool.Options):
        thing.model_rebuild()  # a model is built when it is first used, and then has a signature
    try:
        return str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""


def test_the_public_surface_is_what_was_reviewed():
    assert surface() == FILE.read_text(encoding="utf-8"), (
        "Review what changed, then: python tests/test_public_surface.py"
    )


def test_the_names_are_there_for_type_checkers_too():
    """Lazily imported names are imported once more where only a type checker reads."""
    text = Path(difftool.__file__).read_text(encoding="utf-8")
    assert [
        name
        for name in difftool.__all__
        if name not in ("__version__", "data") and f" import {name} as {name}\n" not in text
    ] == []


if __name__ == "__main__":
    FILE.write_text(surface(), encoding="utf-8")
