"""Pages that follow from the code: one for each kind of part, and the reference of public names.

MkDocs calls ``on_files`` (``hooks`` in mkdocs.yml).
"""

from __future__ import annotations

import inspect
from itertools import groupby
from pathlib import Path

from mkdocs.structure.files import File, Files

import difftool
from difftool.plugin.kinds import KINDS, Kind
from difftool.scaffold import KINDS as TEMPLATES
from difftool.scaffold import rendered

BASES = {
    "modality": "Modality", "representation": "Representation", "backbone": "Backbone",
    "process": "Preconditioning", "density": "Density", "weighting": "Weighting", "schedule": "Schedule",
    "objective": "Objective", "optimizer": "OptimizerOptions", "sampler": "Step", "guidance": "Guidance",
    "conditioner": "Conditioner", "bridge": "Bridge", "edit": "Edit", "metric": "Metric", "source": "Source",
    "exporter": "TrainedModel", "observer": "Observer",
}  # fmt: skip
"""The public name that a page of a kind explains."""


def on_files(files: Files, config: object) -> Files:
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))  # type: ignore[arg-type]
    return files


def pages() -> dict[str, str]:
    """The path and the text of each page that is made from the code."""
    listed = [f"- [{kind.name}]({kind.name}.md): {kind.summary}" for kind in KINDS.values()]
    found = {f"kinds/{kind.name}.md": kind_page(kind) for kind in KINDS.values()}
    found["kinds/index.md"] = "# Kinds of parts\n\n" + "\n".join(listed) + "\n"
    found["reference.md"] = reference()
    return found


def kind_page(kind: Kind) -> str:
    called = f" It is called with {kind.arguments}." if kind.arguments else ""
    lines = [f"# {kind.name}", kind.summary, f"`{kind.hook}` yields `{kind.spec.__name__}`."]
    lines += [f"The target of a spec is {kind.target}.{called}"]
    if kind.table:
        lines += [f"A configuration chooses one in `[{kind.table}]`, by `use`."]
    if kind.tables:
        lines += [f"A configuration names several in `[{kind.tables}.NAME]`, each with `use`."]
    if kind.name in TEMPLATES:
        code = dict(rendered(kind.name, "mine"))[f"difftool_mine/{kind.name}.py"]
        lines += [
            "## An example",
            f"`difftool plugins new mine --kind {kind.name}` writes it, with its specs, its settings "
            "and its tests:",
            f"```python\n{code}```",
        ]
    if kind.name in BASES:
        lines += ["## What it is made of", f"::: {home(BASES[kind.name])}"]
    return "\n\n".join(lines) + "\n"


def reference() -> str:
    """Every public name by the comment above its group in ``difftool/__init__.py``."""
    lines = [
        "# Python reference",
        "Everything here is `difftool.NAME`; nothing deeper is promised.",
    ]
    for title, names in groupby(groups(), key=lambda pair: pair[0]):
        lines += [f"## {title}", *(f"::: {home(name)}" for _, name in names)]
    return "\n\n".join(lines) + "\n"


def groups() -> list[tuple[str, str]]:
    """The title of its group, and each public name."""
    source = Path(inspect.getfile(difftool)).read_text(encoding="utf-8")
    table = source.partition("_HOME = {")[2].partition("\n}")[0]
    title, found = "", []
    for line in map(str.strip, table.splitlines()):
        if line.startswith("#"):
            title = line.strip("# .")
        elif line.startswith('"'):
            found.append((title, line.split('"')[1]))
    return found


def home(name: str) -> str:
    """The full path of a public name."""
    return f"difftool.{difftool._HOME[name]}.{name}"
