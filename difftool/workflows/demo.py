"""The demo: a small model of a built-in set, trained and sampled in a few minutes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import gather, resolve
from ..engine.folder import new_run_path
from ..errors import PluginError
from .naming import refuse_used
from .reporter import Reporter
from .request import Request
from .sample import sample_model
from .train import run_training

if TYPE_CHECKING:
    from ..config import Config
    from ..plugin.registry import Registry

RECIPE = "demo"


def demo_config(modality: str, steps: int | None, parts: Registry) -> Config:
    """The configuration of a demo; the project file has no effect on it."""
    recipe = RECIPE if f"{modality}/{RECIPE}" in parts.names("recipe") else None
    flags = [("--steps", "train.steps", steps)] if steps else ()
    return resolve(modality, gather(parts, modality, recipe, (), flags, project=None), parts)


def run_demo(
    config: Config, run: Path | None, n: int, parts: Registry, reporter: Reporter
) -> dict[str, Any]:
    """Train on the built-in set and sample from the model; the results of both.

    Args:
        run: the folder of the run; a new one in ``runs/`` unless given.
    """
    refuse_used(run)
    path = run or new_run_path(RECIPE)
    result = run_training(config, parts, path, reporter, or_next=run is None)
    request = Request(n=n, every_label=True)
    return {**result, **sample_model(Path(result["model"]), parts, request, reporter)}


def shortest(parts: Registry) -> str:
    """The modality whose demo recipe takes the fewest steps; any where none has one."""
    names = parts.names("modality")
    if not names:
        raise PluginError(
            "No modality is installed, so there is nothing to train on. Install a plugin, such as "
            "those in plugins/."
        )
    able = [name for name in names if f"{name}/{RECIPE}" in parts.names("recipe")]
    steps = {name: demo_config(name, None, parts).train.steps for name in able}
    return min(able, key=steps.__getitem__, default=names[0])
