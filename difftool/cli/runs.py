"""``difftool runs``: what was trained here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..config import file_layer
from ..config.layers import file_text
from ..engine.folder import CASCADE, RunFolder, find_run, is_cascade, list_runs, stage_runs
from ..errors import ConfigError
from ..workflows.text import flat
from .console import out, out_json, say, table


@click.group()
def runs() -> None:
    """List, show and compare runs."""


def _plain_config(folder: RunFolder) -> dict[str, Any]:
    """A run's config as written; empty when it cannot be read, so that one bad run hides no other."""
    return dict(file_layer(folder.config_path).data)


def _entry(tables: Any, table: str, key: str, otherwise: Any) -> Any:
    """An entry of tables as written, if it is of the type of ``otherwise``."""
    own = tables.get(table) if isinstance(tables, dict) else None
    value = own.get(key) if isinstance(own, dict) else None
    return value if type(value) is type(otherwise) else otherwise


def _text(path: Path) -> str:
    """The text of a run's or a cascade's TOML file. Raises ConfigError."""
    text, fault = file_text(path)
    if fault:
        raise ConfigError([fault])
    return text.rstrip()


def _summary(folder: RunFolder) -> dict[str, Any]:
    config, metrics = _plain_config(folder), folder.metrics()
    last = metrics[-1] if metrics else {}
    steps, step = _entry(config, "train", "steps", 0), last.get("step", 0)
    return {
        "run": str(folder.path),
        "modality": _entry(config, "modality", "use", "?"),
        "process": _entry(config, "process", "use", "?"),
        "data": _entry(config, "data", "path", "") or "demo set",
        "step": step,
        "steps": steps,
        "loss": last.get("loss"),
        "examples_per_second": last.get("examples_per_second"),
        "finished": bool(steps) and step >= steps,
        "model": str(folder.model_path) if folder.model_path.exists() else None,
    }


def _cascade_summary(cascade: Path) -> dict[str, Any]:
    """A cascade as one line: its stages together, and each of those that have begun."""
    begun = {path.name: _summary(RunFolder(path)) for path in stage_runs(cascade)}
    own_stages = _plain_stages(cascade)
    stages = _with_experts(own_stages)
    names = [str(stage.get("name")) for stage in stages]
    plans = [
        0
        if "run" in stage
        else begun[name]["steps"]
        if name in begun
        else _entry(stage, "train", "steps", 0)
        for name, stage in zip(names, stages, strict=True)
    ]
    own = [begun[name] for name in names if name in begun]
    return {
        "run": str(cascade),
        "cascade": [str(stage.get("name")) for stage in own_stages],
        "modality": _entry(stages[0], "modality", "use", own[0]["modality"] if own else "?")
        if stages
        else "?",
        "data": own[0]["data"] if own else None,
        "step": sum(one["step"] for one in own),
        "steps": sum(plans),
        "finished": bool(names)
        and all(
            begun.get(name, {}).get("finished", False)
            for name, steps in zip(names, plans, strict=True)
            if steps
        ),
        "stages": own,
    }


def _plain_stages(cascade: Path) -> list[dict[str, Any]]:
    """The tables of a cascade's stages as written; none when they cannot be read, so that one bad cascade hides no other."""
    found = file_layer(cascade / CASCADE).data.get("stage", [])
    return (
        found if isinstance(found, list) and all(isinstance(stage, dict) for stage in found) else []
    )


def _with_experts(stages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The stages, and after each its experts by the names of their folders."""
    found = list[dict[str, Any]]()
    for stage in stages:
        experts = stage.get("expert", [])
        plain = isinstance(experts, list) and all(isinstance(expert, dict) for expert in experts)
        found += [
            stage,
            *(
                {**expert, "name": f"{stage.get('name')}-{expert.get('name')}"}
                for expert in (experts if plain else ())
            ),
        ]
    return found


def _row(summary: dict[str, Any]) -> list[tuple[str, ...]]:
    """The lines of a run, or of a cascade and its stages."""
    if "cascade" not in summary:
        loss = _cell(summary["loss"])
        return [
            (
                summary["run"],
                summary["modality"],
                summary["process"],
                f"{summary['step']}/{summary['steps']}",
                loss,
                summary["data"],
            )
        ]
    kind = f"cascade of {len(summary['cascade'])}"
    head = (
        summary["run"],
        summary["modality"],
        kind,
        f"{summary['step']}/{summary['steps']}",
        "-",
        _cell(summary["data"]),
    )
    return [
        head,
        *((f"  {line[0]}", *line[1:]) for stage in summary["stages"] for line in _row(stage)),
    ]


@runs.command("list")
@click.argument("root", default="runs", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def list_(root: Path, as_json: bool) -> None:
    """List the runs and cascades in ROOT, the latest first."""
    found = [
        _cascade_summary(path) if is_cascade(path) else _summary(RunFolder.open(path))
        for path in list_runs(root)
    ]
    if as_json:
        out_json(found)
    elif found:
        out(
            table(
                [row for summary in found for row in _row(summary)],
                ("run", "modality", "process", "step", "loss", "data"),
            )
        )
    else:
        say(f"There is no run in {root.resolve()} yet.")


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


@runs.command(short_help="Show where a run stands, and its configuration.")
@click.argument("run", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def show(run: str, as_json: bool) -> None:
    """Show one RUN: where it stands, and the configuration it was made with. Of a cascade, each of its stages."""
    if is_cascade(cascade := find_run(run)):
        if as_json:
            out_json(_cascade_summary(cascade))
            return
        out(
            table(
                _row(_cascade_summary(cascade)),
                ("run", "modality", "process", "step", "loss", "data"),
            )
        )
        out("\n" + _text(cascade / CASCADE))
        return
    folder = _open(run)
    summary = _summary(folder)
    if as_json:
        out_json({**summary, "config": _plain_config(folder), "metrics": folder.metrics()})
        return
    out(table([(name, _cell(value)) for name, value in summary.items()]))
    out("\n" + _text(folder.config_path))


def _open(run: str) -> RunFolder:
    return RunFolder.open(find_run(run))


@runs.command(short_help="Set runs side by side.")
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def compare(names: tuple[str, ...], as_json: bool) -> None:
    """Set runs side by side: how they ended, and the settings in which they differ."""
    folders = [_open(name) for name in names]
    ends = [_summary(folder) for folder in folders]
    settings = [flat(_plain_config(folder)) for folder in folders]
    keys = sorted({key for one in settings for key in one})
    differing = {
        key: [one.get(key) for one in settings]
        for key in keys
        if len({str(one.get(key)) for one in settings}) > 1
    }
    if as_json:
        out_json({"runs": ends, "differences": differing})
        return
    rows = [
        (name, *(_cell(end[name]) for end in ends))
        for name in ("step", "loss", "examples_per_second")
    ]
    rows += [(key, *(_cell(value) for value in values)) for key, values in differing.items()]
    out(table(rows, ("", *(str(folder.path) for folder in folders))))
