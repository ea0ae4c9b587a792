"""check_plugin: the contracts of everything that an installed plugin provides, and what it breaks, in words."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ..config import gather, resolve
from ..errors import DifftoolError, PluginError, UsageError
from ..plugin.discovery import Plugin
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
    "observer": "a run to watch",
}
"""What other contracts need; a package's own tests give it."""

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
    """An installed plugin by the name of its entry point or of its package. Raises UsageError, PluginError."""
    found = [plugin for plugin in parts.plugins if name in (plugin.name, plugin.distribution)]
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
    verdicts = {f"{kind} {spec.name}": _declared(kind, spec, parts) for kind, spec in specs}
    whole = [
        (kind, spec)
        for kind, spec in specs
        if kind in ALONE and not verdicts[f"{kind} {spec.name}"].broken
    ]
    shapes = {spec.name: _shape(spec, parts) for kind, spec in whole if kind == "backbone"}
    whole = [(kind, spec) for kind, spec in whole if kind != "backbone" or shapes[spec.name]]
    if whole:
        for part, verdict in _by_contract(whole, shapes).items():
            verdicts[part] = verdict
    return list(verdicts.values())


def _declared(kind: str, spec: Spec, parts: Registry) -> Verdict:
    """Whether what a spec names is there: everything imports, the summary is one line, a recipe resolves."""
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
    elsewhere = kind in NEEDS and (kind != "backbone" or _shape(spec, parts) is None)
    note = (
        f"its contract needs {NEEDS[kind]}: the package's own tests apply {kind}_contract"
        if elsewhere
        else ""
    )
    return Verdict(part, 2 - len(faults), tuple(faults), note)


def _shape(spec: Spec, parts: Registry) -> tuple[int, ...] | None:
    """The shape of examples on which a network's contract can be tried; None if it needs another one."""
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
    specs: list[tuple[str, Spec]], shapes: Mapping[str, tuple[int, ...] | None]
) -> dict[str, Verdict]:
    if find_spec("pytest") is None:
        raise UsageError(
            "The contracts are pytest tests, and pytest is not installed. Install it: pip install pytest"
        )
    lines = ["from difftool.testing import *"]
    lines += [
        f"TestPart{i} = {ALONE[kind].format(name=spec.name, shape=shapes.get(spec.name))}"
        for i, (kind, spec) in enumerate(specs)
    ]
    with TemporaryDirectory(prefix="difftool-check-") as folder:
        (module := Path(folder) / "test_plugin.py").write_text(
            "\n".join(lines) + "\n", encoding="utf-8"
        )
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            folder,
            "-c",
            os.devnull,
        ]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        }
        done = subprocess.run(
            [*command, f"--junitxml={report}", str(module)],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            raise PluginError(
                f"The contracts could not be run: {(done.stderr or done.stdout).strip()[-500:]}"
            )
        cases = list(ElementTree.parse(report).iter("testcase"))
    names = [f"{kind} {spec.name}" for kind, spec in specs]
    return {
        part: _verdict(part, [case for case in cases if _number(case) == i])
        for i, part in enumerate(names)
    }


def _number(case: ElementTree.Element) -> int:
    """Which part a test is of: the name of the class ends in its number."""
    return int(case.get("classname", "").rpartition("TestPart")[2] or -1)


def _verdict(part: str, cases: list[ElementTree.Element]) -> Verdict:
    broken = tuple(dict.fromkeys(text for case in cases for text in _fault(case)))
    return Verdict(
        part,
        sum(not list(_fault(case)) for case in cases),
        broken,
        "" if cases else "its contract holds no test",
    )


def _fault(case: ElementTree.Element) -> Iterator[str]:
    """A promise in the words of its test's name, and the first line of what was found."""
    promise = case.get("name", "").partition("[")[0].removeprefix("test_").replace("_", " ")
    for found in (*case.iter("failure"), *case.iter("error")):
        reason = (found.get("message") or found.text or "").strip().splitlines()
        yield f"{promise}: {reason[0] if reason else 'it failed'}"
