"""Settings that `difftool tune sampler` stored in a model, by the number of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TUNED = "tuned"
"""The entry in a model's header: number of steps -> ``sets`` and ``ema``."""


def tuned_for(
    tuned: Mapping[str, Any], flags: Sequence[tuple[str, str, Any]], sets: Sequence[str]
) -> tuple[tuple[str, ...], float | None]:
    """The settings for the number of steps that is asked for; none where none were found for it."""
    asked = [str(value) for _, dotted, value in flags if dotted == "sample.steps"]
    asked += [one.partition("=")[2].strip() for one in sets if one.startswith("sample.steps=")]
    found = tuned.get(asked[-1], {}) if asked else {}
    return tuple(found.get("sets", ())), found.get("ema")
