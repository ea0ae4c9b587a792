"""``difftool runs``: what was trained here."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .console import out, out_json, say, table

if TYPE_CHECKING:
    from ..engine.folder import RunFolder


@click.group()
def runs() -> None:
    """List, show and compare runs."""


def _plain_config(folder: RunFolder) -> dict[str, Any]:
    """A run's config as written; empty when it cannot be read, so that one bad run hides no other."""
    try:
        return tomllib.loads(folder.config_path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _summary(folder: RunFolder) -> dict[str, Any]:
    config, metrics = _plain_config(folder), folder.metrics()
    last = metrics[-1] if metrics else {}
    steps, step = config.get("train", {}).get("steps", 0), last.get("step", 0)
    return {
        "run": str(folder.path),
        "modality": config.get("modality", {}).get("use", "?"),
        "process": config.get("process", {}).get("use", "?"),
        "data": config.get("data", {}).get("path") or "demo set",
        "step": step,
        "steps": steps,
        "loss": last.get("loss"),
        "examples_per_second": last.get("examples_per_second"),
        "finished": bool(steps) and step >= steps,
        "model": str(folder.model_path) if folder.model_path.exists() else None,
    }


@runs.command("list")
@click.argument("root", default="runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def list_(root: Path, as_json: bool) -> None:
    """List the runs in ROOT, the latest first."""
    from ..engine.folder import RunFolder, list_runs

    found = [_summary(RunFolder.open(path)) for path in list_runs(root)]
    if as_json:
        out_json(found)
    elif found:
        rows = [(r["run"], r["modality"], r["process"], f"{r['step']}/{r['steps']}", _cell(r["loss"]), r["data"]) for r in found]
        out(table(rows, ("run", "modality", "process", "step", "loss", "data")))
    else:
        say(f"There is no run in {root.resolve()} yet.")


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


@runs.command(short_help="Show where a run stands, and its configuration.")
@click.argument("run", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def show(run: str, as_json: bool) -> None:
    """Show one RUN: where it stands, and the configuration it was made with."""
    folder = _open(run)
    summary = _summary(folder)
    if as_json:
        out_json({**summary, "config": _plain_config(folder), "metrics": folder.metrics()})
        return
    out(table([(name, _cell(value)) for name, value in summary.items()]))
    out("\n" + folder.config_path.read_text(encoding="utf-8").rstrip())


def _open(run: str) -> RunFolder:
    from ..engine.folder import RunFolder, find_run

    return RunFolder.open(find_run(run))


@runs.command(short_help="Set runs side by side.")
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def compare(names: tuple[str, ...], as_json: bool) -> None:
    """Set runs side by side: how they ended, and the settings in which they differ."""
    folders = [_open(name) for name in names]
    ends = [_summary(folder) for folder in folders]
    settings = [_flat(_plain_config(folder)) for folder in folders]
    keys = sorted({key for one in settings for key in one})
    differing = {key: [one.get(key) for one in settings] for key in keys if len({str(one.get(key)) for one in settings}) > 1}
    if as_json:
        out_json({"runs": ends, "differences": differing})
        return
    rows = [(name, *(_cell(end[name]) for end in ends)) for name in ("step", "loss", "examples_per_second")]
    rows += [(key, *(_cell(value) for value in values)) for key, values in differing.items()]
    out(table(rows, ("", *(str(folder.path) for folder in folders))))


def _flat(node: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in node.items():
        found |= _flat(value, f"{path}{name}.") if isinstance(value, dict) else {f"{path}{name}": value}
    return found
