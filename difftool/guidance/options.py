"""Settings of the built-in guidance."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ..options import Options


class GuidanceOptions(Options):
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598)."""

    scale: NonNegativeFloat = Field(
        1.0,
        description="1 samples the conditional model; more follows the condition more closely; 0 ignores it",
    )
    low: NonNegativeFloat = Field(0.0, description="no guidance at or below this sigma")
    high: PositiveFloat | None = Field(None, description="no guidance above this sigma")
    rescale: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share by which the guided estimate's spread is brought back (Lin et al. 2024)",
    )
    clip: NonNegativeFloat | Literal["auto"] = Field(
        "auto",
        description="clamp the estimate of x0 to this range around 0; 0 never clamps; auto keeps it "
        "where the data lie, at noise levels at which the process needs that (eps)",
        json_schema_extra={"metavar": "auto|X"},
    )
