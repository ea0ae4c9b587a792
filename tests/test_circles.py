"""No module imports itself through others: imports inside functions, and for type checking only, count as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = [
    ROOT / "difftool",
    *sorted(path.parent for path in (ROOT / "plugins").glob("*/*/__init__.py")),
]
KNOWN: set[str] = set()
"""Packages that still have circles. Whoever removes the last circle of one takes its name out."""


NAMES_ITS_BUILDERS = "difftool.context"
"""Says by type what it holds, for a type checker only: those parts are built with it, and import it."""


def modules_of(package: Path) -> dict[str, Path]:
    """Dotted name -> file, of every module of a package."""
    files = (
        path
        for path in package.rglob("*.py")
        if "scaffold" not in path.relative_to(package).parts[:-1]
    )
    return {
        ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(
            ".__init__"
        ): path
        for path in files
    }


def imports_of(name: str, path: Path, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the same package that a module names in an import, wherever in the file."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if name == NAMES_ITS_BUILDERS:
        tree.body = [
            node
            for node in tree.body
            if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING")
        ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom):
            above = (
                package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            )
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                found = f"{base}.{alias.name}" if f"{base}.{alias.name}" in modules else base
                if found in modules:
                    yield found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules of which each reaches every other one, and modules that import themselves."""

    def reached(start: str) -> set[str]:
        seen, todo = set[str](), [start]
        while todo:
            for name in graph[todo.pop()] - seen:
                seen.add(name)
                todo.append(name)
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {
        frozenset({name, *(other for other in reach[name] if name in reach[other])})
        for name in graph
        if name in reach[name]
    }
    return sorted(sorted(group) for group in groups)


def graph_of(package: Path) -> dict[str, set[str]]:
    modules = modules_of(package)
    root = (
        package.name
    )  # the package itself names everything, lazily: it stands above its modules and below them
    return {
        name: set(imports_of(name, path, modules)) - {name, root} for name, path in modules.items()
    }


def marked(package: Path):
    known = (
        [pytest.mark.xfail(strict=True, reason="known circles")] if package.name in KNOWN else []
    )
    return pytest.param(package, marks=known, id=package.name)


@pytest.mark.parametrize("package", [marked(package) for package in PACKAGES])
def test_no_module_imports_itself_through_others(package):
    assert circles(graph_of(package)) == []


def test_a_circle_is_found_wherever_the_import_stands(tmp_path):
    package = tmp_path / "made"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "one.py").write_text("from .two import thing\n")
    (package / "two.py").write_text("def thing():\n    from . import three\n")
    (package / "three.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .one import other\n"
    )
    (package / "four.py").write_text("from .one import other\n")
    assert circles(graph_of(package)) == [["made.one", "made.three", "made.two"]]
