"""Options of the samplers; each field is the keyword argument of that name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ..options import Options


class HeunOptions(Options):
    """Stochasticity of EDM's second-order sampler."""

    s_churn: NonNegativeFloat = Field(
        0.0, description="total amount of fresh noise over all steps; 0 is deterministic"
    )
    s_min: NonNegativeFloat = Field(0.0, description="add no fresh noise below this sigma")
    s_max: PositiveFloat | None = Field(None, description="add no fresh noise above this sigma")
    s_noise: PositiveFloat = Field(
        1.0, description="scale of the fresh noise; slightly above 1 compensates for lost detail"
    )


class DdimOptions(Options):
    """Stochasticity of DDIM."""

    eta: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the posterior noise to add; 0 is deterministic, 1 is DDPM",
    )


class DdpmOptions(Options):
    """Variance of DDPM's reverse steps."""

    variance: Literal["small", "large"] = Field(
        "small",
        description="variance of a step: small is that of the posterior, large is beta of the "
        "forward step",
    )


class EulerAncestralOptions(Options):
    """Stochasticity of ancestral sampling."""

    eta: float = Field(
        1.0, ge=0, le=1, description="share of the posterior noise to add; 0 is deterministic"
    )
    s_noise: PositiveFloat = Field(1.0, description="scale of the fresh noise")


class Dpmpp2mSdeOptions(Options):
    """Stochasticity of the SDE solver."""

    eta: NonNegativeFloat = Field(
        1.0, description="strength of the noise term; 0 is dpmpp_2m, 1 is the reverse diffusion"
    )
    s_noise: PositiveFloat = Field(1.0, description="scale of the fresh noise")
