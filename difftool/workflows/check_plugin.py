"""check_plugin: the contracts of everything that an installed plugin provides, and what it breaks,
in words.
"""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ..config import gather, resolve
from ..errors import DifftoolError, PluginError, UsageError
from ..plugin.discovery import COMMANDS, Plugin, entry_points
from ..plugin.registry import Registry
from ..plugin.spec import RecipeSpec, Spec
from .cascade import cascade_path, stages_of

ALONE = {
    "sampler": 'sampler_contract("{name}")',
    "process": 'process_contract("{name}")',
    "density": 'process_contract("edm", density="{name}")',
    "weighting": 'process_contract("edm", weighting="{name}")',
    "schedule": 'process_contract("edm", schedule="{name}")',
    "objective": 'objective_contract("{name}")',
    "optimizer": 'optimizer_contract("{name}")',
    "guidance": 'guidance_contract("{name}")',
    "edit": 'edit_contract("{name}")',
    "check": 'check_contract("{name}")',
    "observer": 'observer_contract("{name}")',
    "command": 'command_contract("{name}")',
    "conditioner": 'conditioner_contract("{name}")',
    "backbone": 'backbone_contract("{name}", {shape})',
    "modality": 'modality_contract("{name}")',
}
"""The contracts that need to know nothing but a part's name."""

SHAPES = ((3, 16, 16), (3, 4, 8, 8))
"""Of encoded examples, on the first of which a network can be built its contract is tried."""

NEEDS = {
    "backbone": "the shape of examples that it works on",
    "representation": "raw examples of its data",
    "bridge": "a description of its data and a representation",
    "metric": "examples and data to compare them with",
    "source": "a path that it opens",
    "exporter": "a trained model",
}
"""What other contracts need. A package's module ``contracts`` gives it."""

CONTRACTS = "contracts"
"""The module beside a plugin's module with the contract tests that suit its parts."""

ADD = f"add it to the package's module {CONTRACTS}"
"""How to have a part tested whose contract needs more than its name."""

WIDTH = 120
"""Columns of a summary line."""


@dataclass(frozen=True)
class Verdict:
    """What the check found of one part.

    Attributes:
        part: its kind and name.
        kept: how many promises it keeps.
        broken: each promise that it breaks, with what was found instead.
        note: what was not checked, and why; empty where all was.
    """

    part: str
    kept: int = 0
    broken: tuple[str, ...] = ()
    note: str = ""


def find_plugin(name: str, parts: Registry) -> Plugin:
    """An installed plugin by the name of its entry point or of its package.

    Raises UsageError, PluginError.
    """
    found = [plugin for plugin in parts.plugins if name in (plugin.name, plugin.distribution)]
    found += [
        Plugin(point.name, point.target, *point.package())  # a package that has commands only
        for point in entry_points(COMMANDS)
        if name in (point.name, point.package()[0])
    ]
    if not found:
        known = ", ".join(plugin.name for plugin in parts.plugins)
        raise UsageError(f"There is no plugin {name!r}. Installed are: {known}.")
    if found[0].error:
        raise PluginError(
            f"The plugin {found[0].name} ({found[0].package}) is broken: {found[0].error}"
        )
    return found[0]


def check_plugin(plugin: Plugin, parts: Registry) -> list[Verdict]:
    """Hold every part of a plugin to the contract of its kind.

    Raises:
        UsageError: pytest, which runs the contracts, is not installed.
    """
    specs = [
        (kind, spec)
        for kind in parts.provides(plugin)
        for spec in parts.specs(kind)
        if parts.provider(spec) == plugin
    ]
    verdicts = {(kind, spec.name): _declared(kind, spec, parts) for kind, spec in specs}
    usual = {(kind, spec.name): _usual(kind, spec, parts) for kind, spec in specs if kind in ALONE}
    for point in entry_points(COMMANDS):
        if point.package()[0] == plugin.distribution:
            verdicts["command", point.name] = Verdict(f"command {point.name}")
            usual["command", point.name] = ALONE["command"].format(name=point.name)
    whole = [part for part, verdict in verdicts.items() if not verdict.broken]
    return list((verdicts | _by_contract(whole, usual, plugin)).values())


def _usual(kind: str, spec: Spec, parts: Registry) -> str:
    """The contract of a part with its default settings; empty if it needs more than the name."""
    shape = _shape(spec, parts) if kind == "backbone" else None
    return (
        ""
        if kind == "backbone" and shape is None
        else ALONE[kind].format(name=spec.name, shape=shape)
    )


def _declared(kind: str, spec: Spec, parts: Registry) -> Verdict:
    """Whether what a spec names is there: everything imports, the summary is one line, a recipe
    resolves.
    """
    part, faults = f"{kind} {spec.name}", []
    if not spec.summary or "\n" in spec.summary or len(spec.summary) > WIDTH:
        faults.append(
            f"its summary is one line of 1 to {WIDTH} characters; it has {len(spec.summary)}"
        )
    try:
        if kind in ("recipe", "cascade"):
            _resolve(kind, spec, parts)
        else:
            parts.load(spec)
            parts.options(spec)
    except DifftoolError as error:
        faults.append(str(error))
    more = kind in NEEDS and not faults and (kind != "backbone" or _shape(spec, parts) is None)
    note = f"{kind}_contract needs {NEEDS[kind]}: {ADD}" if more else ""
    return Verdict(part, 2 - len(faults), tuple(faults), note)


def _shape(spec: Spec, parts: Registry) -> tuple[int, ...] | None:
    """The shape of examples on which a network's contract can be tried; None if it needs another
    one.
    """
    from ..nn.backbone import Interface

    for shape in SHAPES:
        with suppress(DifftoolError, ValueError):
            parts.load(spec)(parts.options(spec)(), Interface(shape))
            return shape
    return None


def _resolve(kind: str, spec: Spec, parts: Registry) -> None:
    assert isinstance(spec, RecipeSpec)
    if kind == "cascade":
        stages_of(cascade_path(f"{spec.modality}/{spec.name}", parts), parts)
        return
    resolve(spec.modality, gather(parts, spec.modality, spec.name, project=None), parts)


def _by_contract(
    whole: Sequence[tuple[str, str]], usual: Mapping[tuple[str, str], str], plugin: Plugin
) -> dict[tuple[str, str], Verdict]:
    """The verdicts on the parts that have contract tests, the package's own or the usual ones."""
    if find_spec("pytest") is None:
        raise UsageError(
            "pytest is not installed. Install it with: pip install pytest. The contracts are "
            "pytest tests."
        )
    own = _own_module(plugin)
    makers = {i: usual[part] for i, part in enumerate(whole) if usual.get(part)}
    lines = [
        "from difftool.testing import *",
        "from difftool.testing.suites import suites",
        "USUAL = {",
        *(f"    {i}: lambda: {make}," for i, make in makers.items()),
        "}",
        f"globals().update(suites({list(whole)!r}, USUAL, {own!r}))",
    ]
    cases = _run("\n".join(lines) + "\n", plugin) if makers or own else []
    found: dict[tuple[str, str], list[ElementTree.Element]] = {}
    for case in cases:
        found.setdefault(whole[_number(case)], []).append(case)
    return {part: _verdict(" ".join(part), some) for part, some in found.items()}


def _own_module(plugin: Plugin) -> str:
    """The package's module of contract tests; empty if there is none."""
    package = plugin.module.partition(":")[0].rpartition(".")[0]
    name = f"{package}.{CONTRACTS}"
    return name if package and find_spec(name) else ""


def _run(module: str, plugin: Plugin) -> list[ElementTree.Element]:
    """The results of a module of tests.

    Raises:
        PluginError: its classes cannot be made.
    """
    with TemporaryDirectory(prefix="difftool-check-") as folder:
        (path := Path(folder) / "test_plugin.py").write_text(module, encoding="utf-8")
        report = Path(folder) / "report.xml"
        words = ["-q", "-p", "no:cacheprovider", "--rootdir", folder, "-c", os.devnull]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *words, f"--junitxml={report}", str(path)],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in (0, 1) or not report.exists():
            raise PluginError(
                f"The contract tests of {plugin.package} cannot be run: {_last_error(done)}"
            )
        return list(ElementTree.parse(report).iter("testcase"))


def _last_error(done: subprocess.CompletedProcess[str]) -> str:
    """The line of pytest's output that names the error."""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    errors = [line.removeprefix("E ").strip() for line in lines if line.startswith("E ")]
    return (errors or lines or ["it said nothing"])[-1]


def _number(case: ElementTree.Element) -> int:
    """Which part a test is of: its class is called TestPart{number}_{count}."""
    return int(case.get("classname", "").rpartition("TestPart")[2].partition("_")[0])


def _verdict(part: str, cases: Sequence[ElementTree.Element]) -> Verdict:
    broken = tuple(dict.fromkeys(text for case in cases for text in _fault(case)))
    skipped = [found.get("message", "") for case in cases for found in case.iter("skipped")]
    if len(skipped) == len(cases):
        return Verdict(part, note=f"{skipped[0]}: {ADD}")
    return Verdict(part, sum(not list(_fault(case)) for case in cases), broken)


def _fault(case: ElementTree.Element) -> Iterator[str]:
    """A promise in the words of its test's name, and the first line of what was found."""
    promise = case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")
    for found in (*case.iter("failure"), *case.iter("error")):
        reason = (found.get("message") or found.text or "").strip().splitlines()
        yield f"{promise}: {reason[0] if reason else 'it failed'}"
