"""Where runs and cascades stand, from their files as they are written.

A file that cannot be read has no settings here, so that one bad run hides no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config import file_layer
from ..engine.folder import CASCADE, RunFolder, stage_runs
from ..errors import UsageError
from .text import flat

PAGE = b"difftool comparison"
"""In the title of every such page."""


def written_config(folder: RunFolder) -> dict[str, Any]:
    """The configuration of a run as written; empty if it cannot be read."""
    return dict(file_layer(folder.config_path).data)


def _entry(tables: Any, table: str, key: str, otherwise: Any) -> Any:
    """An entry of tables as written, if it is of the type of ``otherwise``."""
    own = tables.get(table) if isinstance(tables, dict) else None
    value = own.get(key) if isinstance(own, dict) else None
    return value if type(value) is type(otherwise) else otherwise


def run_summary(folder: RunFolder) -> dict[str, Any]:
    """The progress of a run: its data, its steps, its last loss and its model."""
    config, metrics = written_config(folder), folder.metrics()
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


def cascade_summary(cascade: Path) -> dict[str, Any]:
    """The progress of a cascade as a whole, and of each stage that has begun."""
    begun = {path.name: run_summary(RunFolder(path)) for path in stage_runs(cascade)}
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
    """The tables of a cascade's stages as written; empty if they cannot be read."""
    found = file_layer(cascade / CASCADE).data.get("stage", [])
    return (
        found if isinstance(found, list) and all(isinstance(stage, dict) for stage in found) else []
    )


def _with_experts(stages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each stage, followed by its experts under the names of their folders."""
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


def compared(folders: Sequence[RunFolder]) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    """The summaries of runs, and the settings in which they differ: key -> value in each run."""
    settings = [flat(written_config(folder)) for folder in folders]
    keys = sorted({key for one in settings for key in one})
    differing = {
        key: [one.get(key) for one in settings]
        for key in keys
        if len({str(one.get(key)) for one in settings}) > 1
    }
    return [run_summary(folder) for folder in folders], differing


def compare_page(folders: Sequence[RunFolder], path: Path) -> Path:
    """Write a page that shows runs side by side, with blind pairs of their samples.

    Raises UsageError where something else has this name.
    """
    from ..report.compare import write_comparison  # jinja2, matplotlib

    if path.exists() and PAGE not in path.read_bytes()[:20_000]:
        raise UsageError(f"{path} exists and is not a comparison of runs. Choose another name.")
    ends, differing = compared(folders)
    return write_comparison(folders, ends, differing, path)
