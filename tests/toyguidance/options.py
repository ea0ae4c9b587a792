"""Settings."""

from __future__ import annotations

from pydantic import Field

from difftool import Options


class ScaleOptions(Options):
    """How far a guidance goes."""

    scale: float = Field(0.5, description="0 does nothing")


class WeakerOptions(ScaleOptions):
    """Away from a worse model."""

    run: str = Field("run", description="the worse model: a run, a model file or a snapshot")
    ema: float | None = Field(None, description="relative width of the average of its weights")


class MeanOptions(ScaleOptions):
    """Towards examples with this mean."""

    mean: float = Field(0.0, description="in model units")
