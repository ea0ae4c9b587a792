"""The architecture as a law: imports point down only, the core names no modality, plugins use the public surface."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "difftool"

FLOORS = {
    "batch": 0, "extent": 0, "figures": 0, "shapes": 0, "rng": 0, "philox": 0, "options": 0, "settings": 0, "errors": 0, "files": 0, "fonts": 0, "header": 0, "about": 0, "column": 0, "plot": 0, "names": 0, "plain": 0, "shell": 0, "sampler": 0, "landing": 0, "spans": 0, "__init__": 0,
    "process": 1, "samplers": 1, "space": 1, "nn": 1, "plugin": 1, "optimizers": 1,
    "denoiser": 2, "conditioner": 2, "conditioners": 2, "guidance": 2, "representation": 2, "representations": 2, "modality": 2, "metric": 2, "metrics": 2, "source": 2,
    "description": 2, "bridge": 2, "bridges": 2, "tiles": 2, "circle": 2, "wrapper": 2, "edit": 2, "edits": 2, "expert": 2, "context": 2, "noise": 2, "classifier": 2,
    "stage": 3, "objective": 3, "objectives": 3, "observer": 3,
    "judge": 3, "engine": 4, "verdict": 4, "data": 4, "sources": 5, "exporter": 4, "exporters": 5,
    "assemble": 5, "config": 5, "report": 5, "scaffold": 5, "checks": 5,
    "workflows": 6, "testing": 6,
    "cli": 7, "__main__": 7,
}  # fmt: skip
STRANGERS = [{"process"}, {"samplers"}, {"space"}, {"nn"}, {"plugin"}, {"optimizers"}]
MODALITY_WORDS = re.compile(
    r"\b(image|picture|photo|audio|sound|video|molecule|spectrogram|waveform|pixel)s?\b", re.I
)


def sources() -> list[Path]:
    return sorted(CORE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(CORE)
    return relative.parts[0].removesuffix(".py")


def at_run_time(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of the tree, except those that only a type checker reads."""
    yield tree
    for child in ast.iter_child_nodes(tree):
        if not (isinstance(child, ast.If) and getattr(child.test, "id", "") == "TYPE_CHECKING"):
            yield from at_run_time(child)


def imported_parts(path: Path) -> set[str]:
    """The parts of the core that a module imports, wherever in the file, except for type checking only."""
    package = ["difftool", *path.relative_to(CORE).parts[:-1]]
    found = set()
    for node in at_run_time(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1] + (
                node.module.split(".") if node.module else []
            )
            found |= {base[1]} if len(base) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "difftool":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
    return {name for name in found if name in FLOORS}


def test_every_part_has_a_floor():
    assert {part_of(path) for path in sources()} <= set(FLOORS)


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_imports_point_down(path):
    own = part_of(path)
    if own == "__init__":
        return  # the public surface names everything, lazily
    for other in imported_parts(path) - {own, "__init__"}:
        assert FLOORS[other] <= FLOORS[own], (
            f"{own} (floor {FLOORS[own]}) imports {other} (floor {FLOORS[other]})"
        )


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_strangers_on_the_first_floor(path):
    own = part_of(path)
    for group in STRANGERS:
        if own in group:
            others = set().union(*STRANGERS) - group
            assert not imported_parts(path) & others


@pytest.mark.parametrize("part", ["engine"])
def test_the_engine_meets_processes_and_samplers_only_inside_a_stage(part):
    for path in (CORE / part).rglob("*.py"):
        assert not imported_parts(path) & {"process", "samplers"}, path


@pytest.mark.parametrize("path", sorted((CORE / "workflows").glob("*.py")), ids=lambda p: p.stem)
def test_workflows_print_nothing_and_know_no_command_line(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {"click", "rich"} & {name.split(".")[0] for name in names}, (
            f"{path}:{node.lineno}"
        )
        assert not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "print"
        ), f"{path}:{node.lineno}"


@pytest.mark.parametrize("path", sources(), ids=lambda p: str(p.relative_to(CORE)))
def test_the_core_says_no_modality_s_name(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        words = []
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ):
            words = [node.value]
        elif isinstance(node, ast.Name):
            words = [node.id]
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            words = [node.name]
        for word in words:
            assert not MODALITY_WORDS.search(word), f"{path}:{node.lineno} says {word!r}"


def plugin_sources() -> list[Path]:
    return sorted(p for p in (ROOT / "plugins").rglob("*.py") if "build" not in p.parts)


@pytest.mark.parametrize("path", plugin_sources(), ids=lambda p: p.name)
def test_plugins_use_the_public_surface_only(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and not node.level
            and (node.module or "").startswith("difftool.")
        ):
            assert node.module.startswith("difftool.testing"), (
                f"{path}:{node.lineno} imports {node.module}"
            )
        if isinstance(node, ast.Import):
            assert not any(alias.name.startswith("difftool.") for alias in node.names)
