"""A folder with copies of the examples and of parts of the core, installed as plugins are."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = {
    "difftool_ecg": ROOT / "examples/03-plugin/difftool_ecg",
    "difftool_parts": ROOT / "examples/04-parts/difftool_parts",
    "toytext": ROOT / "tests/toytext",
}
"""Packages that are copied whole."""

CORE = {
    "arrays": "data",
    "standard": "representations",
    "attention": "nn",
    "blocks": "nn",
    "embedding": "nn",
    "unet": "nn",
    "resample": "bridges",
    "cfg": "guidance",
    "pair": "guidance",
    "objective": "",
    "density": "process",
    "preconditioning": "process",
    "schedule": "process",
    "weighting": "process",
    "ancestral": "samplers",
    "dpmpp": "samplers",
    "heun": "samplers",
}
"""Modules of the core that are copied into the package ``copies``, and where they are."""

POINTS = {
    "example-difftool-ecg": "[difftool]\necg = difftool_ecg.plugin\n",
    "difftool-parts": "[difftool]\nparts = difftool_parts.plugin\n"
    "[difftool.commands]\nage = difftool_parts.command:age\n",
    "difftool-toytext": "[difftool]\ntoytext = toytext.plugin\n",
    "difftool-copies": "[difftool]\ncopies = copies.plugin\n",
}

PLUGIN = """
from difftool import ProcessSpec, Spec, hookimpl

@hookimpl
def difftool_backbones():
    return [Spec("copied_unet", "a copy", "copies.unet:UNet", "difftool.nn.options:UNetOptions")]

@hookimpl
def difftool_representations():
    return [Spec("copied_standard", "a copy", "copies.standard:Standard", "difftool.representations.options:StandardOptions")]

@hookimpl
def difftool_bridges():
    return [Spec("copied_resample", "a copy", "copies.resample:Resample", "difftool.bridges.options:ResampleOptions")]

@hookimpl
def difftool_guidances():
    return [Spec("copied_cfg", "a copy", "copies.cfg:ClassifierFree", "difftool.guidance.options:GuidanceOptions")]

@hookimpl
def difftool_objectives():
    return [Spec("copied_denoising", "a copy", "copies.objective:Denoising")]

@hookimpl
def difftool_processes():
    return [ProcessSpec("copied_edm", "a copy", "copies.preconditioning:Edm", "difftool.process.options:EdmOptions",
        density="copied_lognormal", weighting="copied_edm", schedule="copied_karras")]

@hookimpl
def difftool_densities():
    return [Spec("copied_lognormal", "a copy", "copies.density:LogNormal", "difftool.process.options:LogNormalOptions")]

@hookimpl
def difftool_weightings():
    return [Spec("copied_edm", "a copy", "copies.weighting:Edm")]

@hookimpl
def difftool_schedules():
    return [Spec("copied_karras", "a copy", "copies.schedule:Karras", "difftool.process.options:KarrasOptions")]

@hookimpl
def difftool_samplers():
    return [
        Spec("copied_ddim", "a copy", "copies.ancestral:ddim", "difftool.samplers.options:DdimOptions"),
        Spec("copied_dpmpp", "a copy", "copies.dpmpp:dpmpp_2m"),
        Spec("copied_heun", "a copy", "copies.heun:heun", "difftool.samplers.options:HeunOptions"),
    ]
"""


def write_site(folder: Path) -> None:
    """All packages with their metadata, as pip leaves them."""
    for name, source in PACKAGES.items():
        shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in folder.rglob("*.py"):  # the base class of modalities is a copy, too
        text = path.read_text(encoding="utf-8")
        text = re.sub(
            r"^from difftool import (Arrays|Sequences)$",
            r"from copies.arrays import \1",
            text,
            flags=re.M,
        )
        path.write_text(text, encoding="utf-8")
    copies = folder / "copies"
    copies.mkdir()
    (copies / "__init__.py").touch()
    (copies / "plugin.py").write_text(PLUGIN, encoding="utf-8")
    for name, home in CORE.items():
        text = (ROOT / "difftool" / home / f"{name}.py").read_text(encoding="utf-8")
        (copies / f"{name}.py").write_text(absolute(text, home), encoding="utf-8")
    for name, points in POINTS.items():
        about = folder / f"{name.replace('-', '_')}-0.1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\nSummary: A copy.\n", "utf-8"
        )
        (about / "entry_points.txt").write_text(points, encoding="utf-8")


def absolute(text: str, home: str) -> str:
    """A module of the core whose imports work elsewhere: relative ones name difftool, except those of copies."""

    def found(match: re.Match[str]) -> str:
        dots, name = match.groups()
        if len(dots) == 1 and name in CORE and CORE[name] == home:
            return f"from .{name} import"
        package = f"difftool.{home}" if len(dots) == 1 and home else "difftool"
        return f"from {package}.{name} import"

    text = re.sub(r"^from (\.+)([\w.]+) import", found, text, flags=re.M)
    return re.sub(r"^( +)from \.\.(\w+) import", r"\1from difftool.\2 import", text, flags=re.M)
