"""Settings of the core's metrics."""

from __future__ import annotations

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from ..options import Options


class PatchesOptions(Options):
    """Patches of examples at several scales."""

    entries: PositiveInt = Field(
        49,
        le=1_000_000_000,
        description="number of entries of a patch over its long axes; 49 is 7x7, or about 4x4x4",
    )
    patches: PositiveInt = Field(
        128, le=10_000_000, description="largest number of patches of an example at each scale"
    )
    directions: PositiveInt = Field(
        128, le=1_000_000, description="number of directions on which the patches are projected"
    )


class LikelihoodOptions(Options):
    """Log-likelihood by the probability-flow ODE."""

    examples: PositiveInt = Field(64, le=10**6, description="number of examples that are measured")
    steps: PositiveInt = Field(
        32,
        le=10_000,
        description="steps of the solver, evenly spaced in ln sigma; four evaluations each",
    )
    probes: PositiveInt = Field(
        1, le=10_000, description="random directions that estimate the divergence of an example"
    )
    exact: NonNegativeInt = Field(
        64, description="entries up to which an example's divergence is exact; 0 never is"
    )
    draws: PositiveInt = Field(
        32, le=10**6, description="noise levels that estimate the variational bound"
    )
    levels: PositiveInt = Field(
        1000,
        ge=2,
        le=10**6,
        description="steps of the bound with learned variances, as in objective.levels",
    )


class CoverageOptions(Options):
    """Precision, recall, density and coverage."""

    neighbours: PositiveInt = Field(
        5, description="the ball around an example reaches to this neighbour"
    )


class MemorisationOptions(Options):
    """Copies of the data."""

    neighbours: PositiveInt = Field(
        10, description="number of neighbours that say how dense the data are around an example"
    )
    copy_ratio: PositiveFloat = Field(
        0.3,
        description="a near copy is nearer to an example of the data than this times the mean "
        "distance of that example to its neighbours",
    )
