"""Knobs of the samplers; each field is the keyword argument of that name."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from ..options import Options


class HeunOptions(Options):
    """Stochasticity of EDM's second-order sampler."""

    s_churn: NonNegativeFloat = Field(0.0, description="fresh noise mixed in, in all; 0 is deterministic")
    s_min: NonNegativeFloat = Field(0.0, description="no fresh noise below this sigma")
    s_max: PositiveFloat | None = Field(None, description="no fresh noise above this sigma")
    s_noise: PositiveFloat = Field(1.0, description="scale of the fresh noise; slightly above 1 makes up for lost detail")


class DdimOptions(Options):
    """Stochasticity of DDIM."""

    eta: float = Field(0.0, ge=0, le=1, description="share of the posterior's noise that is added: 0 is deterministic, 1 is DDPM")


class DdpmOptions(Options):
    """Variance of DDPM's reverse steps."""

    variance: Literal["small", "large"] = Field("small", description="small is the posterior's variance, large is the forward step's beta")


class EulerAncestralOptions(Options):
    """Stochasticity of ancestral sampling."""

    eta: float = Field(1.0, ge=0, le=1, description="share of the posterior's noise that is added: 0 is deterministic")
    s_noise: PositiveFloat = Field(1.0, description="scale of the fresh noise")


class Dpmpp2mSdeOptions(Options):
    """Stochasticity of the SDE solver."""

    eta: NonNegativeFloat = Field(1.0, description="strength of the noise term: 0 is dpmpp_2m, 1 the reverse diffusion itself")
    s_noise: PositiveFloat = Field(1.0, description="scale of the fresh noise")
