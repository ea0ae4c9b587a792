"""``difftool runs``: what was trained here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..config.layers import file_text
from ..engine.folder import CASCADE, RunFolder, find_run, is_cascade, list_runs
from ..errors import ConfigError
from ..workflows.summary import cascade_summary, compare_page, compared, run_summary, written_config
from .console import out, out_json, out_table, say


@click.group()
def runs() -> None:
    """List, show and compare runs."""


def _text(path: Path) -> str:
    """The text of a run's or a cascade's TOML file. Raises ConfigError."""
    text, fault = file_text(path)
    if fault:
        raise ConfigError([fault])
    return text.rstrip()


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
        cascade_summary(path) if is_cascade(path) else run_summary(RunFolder.open(path))
        for path in list_runs(root)
    ]
    if as_json:
        out_json(found)
    elif found:
        out_table(
            [row for summary in found for row in _row(summary)],
            ("run", "modality", "process", "step", "loss", "data"),
        )
    else:
        say(f"There is no run in {root.resolve()} yet.")


def _cell(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


@runs.command(short_help="Show where a run stands, and its configuration.")
@click.argument("run", default="latest")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def show(run: str, as_json: bool) -> None:
    """Show one RUN: where it stands, and the configuration it was made with.

    Of a cascade, each of its stages.
    """
    if is_cascade(cascade := find_run(run)):
        if as_json:
            out_json(cascade_summary(cascade))
            return
        out_table(
            _row(cascade_summary(cascade)),
            ("run", "modality", "process", "step", "loss", "data"),
        )
        out("\n" + _text(cascade / CASCADE))
        return
    folder = _open(run)
    summary = run_summary(folder)
    if as_json:
        out_json({**summary, "config": written_config(folder), "metrics": folder.metrics()})
        return
    out_table([(name, _cell(value)) for name, value in summary.items()])
    out("\n" + _text(folder.config_path))


def _open(run: str) -> RunFolder:
    return RunFolder.open(find_run(run))


@runs.command(short_help="Set runs side by side.")
@click.argument("names", nargs=-1, required=True, metavar="RUN RUN…")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write a page that shows them side by side, with blind pairs of their samples.",
)
@click.option("--open", "show", is_flag=True, help="Show the page in a browser.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON on stdout.")
def compare(names: tuple[str, ...], html: Path | None, show: bool, as_json: bool) -> None:
    """Set runs side by side: how they ended, and the settings in which they differ."""
    folders = [_open(name) for name in names]
    if html or show:
        page = compare_page(folders, html or Path("comparison.html"))
        say(f"The comparison is in {page}")
        if show:
            click.launch(page.absolute().as_uri())
    ends, differing = compared(folders)
    if as_json:
        out_json({"runs": ends, "differences": differing})
        return
    rows = [
        (name, *(_cell(end[name]) for end in ends))
        for name in ("step", "loss", "examples_per_second")
    ]
    rows += [(key, *(_cell(value) for value in values)) for key, values in differing.items()]
    out_table(rows, ("", *(str(folder.path) for folder in folders)))
