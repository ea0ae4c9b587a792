"""Settings of the built-in edits."""

from __future__ import annotations

from pydantic import Field, NonNegativeFloat, PositiveInt

from ..options import Options


class VaryOptions(Options):
    """SDEdit (Meng et al. 2022, arXiv:2108.01073)."""

    strength: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the sampler's steps that are taken again: 0 changes nothing, 1 makes "
        "a new sample",
    )


class InversionOptions(Options):
    """Inversion of Euler's method."""

    iterations: PositiveInt = Field(
        5, le=100, description="evaluations for each step of the inversion; more are more exact"
    )


class RestoreOptions(Options):
    """Removal of noise."""

    level: NonNegativeFloat = Field(
        0.0,
        description="standard deviation of the noise in the file, in model units (data of unit "
        "range are about 0.5); 0 estimates it",
    )
    sharp: bool = Field(
        False,
        description="draw one possible original, with all detail, instead of the mean of all of "
        "them, whose error is least",
    )
