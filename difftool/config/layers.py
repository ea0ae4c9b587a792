"""Layers: settings from one file, recipe or command line, with the position of every key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from ..files import contents
from ..names import local_path, path_text
from ..plain import parse_toml
from ..plugin.spec import RecipeSpec
from ..shell import key_text

Path = tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """Settings from one source.

    Attributes:
        origin: the name of the source in messages.
        data: tables as TOML would give them.
        places: positions of single keys, where they are known more exactly than ``origin``.
        texts: the text of keys that were given as bare text on the command line.
        faults: faults of the source itself.
        own: whether difftool wrote the source; old names in it are then accepted silently.
    """

    origin: str
    data: Mapping[str, Any] = field(default_factory=dict)
    places: Mapping[Path, str] = field(default_factory=dict)
    texts: Mapping[Path, str] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    own: bool = False

    def where(self, path: Path) -> str:
        """The most exact known position of a key."""
        for n in range(len(path), 0, -1):
            if path[:n] in self.places:
                return self.places[path[:n]]
        inside = (place for written, place in self.places.items() if written[: len(path)] == path)
        return next(inside, self.origin)


def dict_layer(data: Mapping[str, Any], origin: str) -> Layer:
    """The configuration inside a model file, which difftool wrote."""
    return Layer(origin, data, own=True)


def text_layer(text: str, origin: str) -> Layer:
    """TOML text. A syntax error becomes a fault of the layer, which is reported with all others."""
    try:
        data = parse_toml(text)
    except ValueError as error:
        return Layer(origin, faults=(_syntax_fault(str(error), origin),))
    places = {path: f"{origin}:{line}" for path, line in key_lines(text)}
    return Layer(origin, data, places)


LARGEST_TABLE = 64 << 20
"""Bytes of the largest TOML file that is read."""


def file_layer(path: File) -> Layer:
    """A TOML file. A relative ``data.path`` in it is relative to the file's folder."""
    text, fault = file_text(path)
    if fault:
        return Layer(str(path), faults=(fault,))
    layer = text_layer(text, str(path))
    table = layer.data.get("data")
    if isinstance(table, dict) and isinstance(table.get("path"), str) and table["path"]:
        table["path"] = path_text(path.absolute().parent / local_path(table["path"]))
    return layer


def file_text(path: File) -> tuple[str, str]:
    """The text of a TOML file, and the fault if it cannot be read."""
    try:
        return contents(path, LARGEST_TABLE).decode(
            "utf-8-sig"
        ), ""  # some editors add a byte order mark
    except UnicodeDecodeError as error:
        return "", f"{path}: is not UTF-8 text (byte {error.start}), so it is not a TOML file"
    except OSError as error:
        return "", f"{path}: cannot be read: {error.strerror}"


def recipe_layer(spec: RecipeSpec) -> Layer:
    """The TOML file of a recipe, a resource inside a plugin's package."""
    from importlib.resources import files

    package, _, name = spec.target.partition(":")
    origin = f"recipe {spec.name}"
    try:
        text = files(package).joinpath(name).read_text(encoding="utf-8")
    except (OSError, ImportError, UnicodeDecodeError) as error:
        return Layer(origin, faults=(f"{origin}: {spec.target} cannot be read: {error}",))
    return text_layer(text, origin)


def flag_layer(flags: Iterable[tuple[str, str, Any]] = (), sets: Iterable[str] = ()) -> Layer:
    """The command line: ``(flag, "table.key", value)`` for flags, ``a.b=c`` for ``--set``.

    Text that is a TOML value is parsed; other text is used as it is.
    """
    layer = Layer("the command line", {}, {}, {}, ())
    faults: list[str] = []
    for flag, dotted, value in flags:
        _put(layer, tuple(dotted.split(".")), value, flag, faults)
    given = {}
    for item in sets:
        path, text = split_set(item)
        if len(path) < 2 or not all(path):
            faults.append(
                f"--set {item}: does not have the form table.key=value; write, for example, "
                "train.steps=1000"
            )
        else:
            given[path] = text.strip()
    for path, text in given.items():
        _put(layer, path, text, f"--set {key_text(path)}", faults)
    return Layer(layer.origin, layer.data, layer.places, layer.texts, tuple(faults))


_SET = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|'[^']*'|[^"'=])*)=(.*)""", re.DOTALL)
"""A key, whose parts may be quoted as in TOML, and its value."""


def split_set(item: str) -> tuple[Path, str]:
    """``a."b=c".d=1`` -> (("a", "b=c", "d"), "1"); no path if the text has another form."""
    if not (found := _SET.fullmatch(item)):
        return (), ""
    key = found[1].strip()
    path = _dotted(key) if re.search("[\"']", key) else tuple(p.strip() for p in key.split("."))
    return path, found[2]


def _put(layer: Layer, path: Path, value: Any, origin: str, faults: list[str]) -> None:
    if path in layer.places:
        faults.append(
            f"{origin}: {layer.places[path]} also sets {'.'.join(path)}; keep one of them"
        )
        return
    table = layer.data
    for part in path[:-1]:
        table = table.setdefault(part, {})  # type: ignore[attr-defined]
        if not isinstance(table, dict):
            faults.append(
                f"{origin}: {part} already has a value, so it cannot be a table; keep one of them"
            )
            return
    if isinstance(value, str):
        layer.texts[path] = value  # type: ignore[index]
        value = parse_value(value)
    table[path[-1]] = value  # type: ignore[index]
    layer.places[path] = origin  # type: ignore[index]


_BASED = re.compile(r"\s*0[xob]")
"""Numbers in another base."""


def parse_value(text: str) -> Any:
    """A TOML value, or the text itself; ``0x16`` is no number on a command line, but a bad size."""
    if "\n" in text or _BASED.match(text):
        return text
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        return text


def _syntax_fault(message: str, origin: str) -> str:
    found = re.search(r"\s*\(at line (\d+), column (\d+)\)$", message)
    if not found:
        return f"{origin}: is not valid TOML: {message}"
    return (
        f"{origin}:{found[1]}: is not valid TOML at column {found[2]}: {message[: found.start()]}"
    )


_TABLE = re.compile(r"^\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*="""
)


def key_lines(text: str) -> Iterator[tuple[Path, int]]:
    """Line numbers of keys and tables; exact enough for messages, without a TOML parser."""
    table: Path = ()
    for number, line in enumerate(text.splitlines(), 1):
        if found := _TABLE.match(line):
            table = _dotted(found[1])
            yield table, number
        elif found := _KEY.match(line):
            yield table + _dotted(found[1]), number


def _dotted(key: str) -> Path:
    """``a."b.c"`` -> ("a", "b.c"), by TOML's own rules."""
    try:
        node: Any = parse_toml(f"{key} = 0")
    except ValueError:
        return (key,)
    path = []
    while isinstance(node, dict):
        name, node = next(iter(node.items()))
        path.append(name)
    return tuple(path)
