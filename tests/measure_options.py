"""Settings of the metrics in ``measures``, in a module that needs no torch."""

from __future__ import annotations

from pydantic import Field

from difftool import Options


class BrightnessOptions(Options):
    scale: float = Field(255.0, gt=0, description="what counts as one")
