"""Which metrics are measured, and with which options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..config import Part
from ..errors import ConfigError, PluginError, UsageError
from .request import METRIC, Request, own_table

if TYPE_CHECKING:
    from ..description import Description
    from ..plugin.registry import Registry


def metric_table(metric: str) -> str:
    """The table of a metric's options, which exists on the command line only."""
    return f"{METRIC}.{metric}"


def chosen_metrics(
    parts: Registry, modality: str, only: str | None, request: Request
) -> dict[str, Part]:
    """The metrics to measure, with their options; all faults in these at once.

    Args:
        only: names, separated by commas; None for all metrics of the modality.
    """
    able = parts.metrics(modality)
    names = [name.strip() for name in only.split(",")] if only else _usual(able, parts)
    if not names:
        raise UsageError(
            f"There are no metrics for {modality}, so its samples cannot be measured. Install a "
            "plugin with metrics; `difftool list metrics` shows the installed ones."
        )
    if strange := [name for name in names if name not in able]:
        raise UsageError(f"{modality} has no metric {strange[0]!r}. It has: {', '.join(able)}.")
    made = {
        name: own_table(
            request.flags, metric_table(name), parts.options(parts.get("metric", name)), name
        )
        for name in names
    }
    if faults := [fault for _, some in made.values() for fault in some]:
        raise ConfigError(faults)
    return {name: Part(name, options) for name, (options, _) in made.items() if options is not None}


def _usual(able: Sequence[str], parts: Registry) -> list[str]:
    """The metrics that are measured where none is named."""
    specs = {name: parts.get("metric", name) for name in able}
    return [name for name, spec in specs.items() if not getattr(spec, "on_request", False)]


def built_metrics(
    metrics: Mapping[str, Part], parts: Registry, description: Description
) -> tuple[dict[str, Any], dict[str, str]]:
    """The metrics, and the reasons why others cannot be built. Raises PluginError if none can."""
    from ..assemble import make_metric  # torch

    made, missing = dict[str, Any](), dict[str, str]()
    for name, part in metrics.items():
        try:
            made[name] = make_metric(part, parts, description)
        except PluginError as error:
            missing[name] = str(error)
    if not made:
        raise PluginError("\n".join(missing.values()))
    return made, missing
