"""Options of the samplers; each field is the keyword argument of that name."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ..options import Options


class HeunOptions(Options):
    """Stochasticity of EDM's second-order sampler."""

    s_churn: NonNegativeFloat = Field(
        0.0, description="total amount of fresh noise over all steps; 0 is deterministic"
    )
    s_min: NonNegativeFloat = Field(0.0, description="add no fresh noise below this sigma")
    s_max: PositiveFloat | None = Field(None, description="add no fresh noise above this sigma")
    s_noise: NonNegativeFloat = Field(
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

    variance: Literal["small", "large", "learned"] = Field(
        "small",
        description="variance of a step: small is that of the posterior, large is beta of the "
        "forward step, learned lies between, for models of the objectives hybrid and vlb",
    )


class EulerAncestralOptions(Options):
    """Stochasticity of ancestral sampling."""

    eta: float = Field(
        1.0, ge=0, le=1, description="share of the posterior noise to add; 0 is deterministic"
    )
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")


class Dpmpp2mSdeOptions(Options):
    """Stochasticity of the SDE solver."""

    eta: NonNegativeFloat = Field(
        1.0, description="strength of the noise term; 0 is dpmpp_2m, 1 is the reverse diffusion"
    )
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")


class Dpmpp2sOptions(Options):
    """Stochasticity of DPM-Solver++(2S)."""

    eta: float = Field(
        0.0, ge=0, le=1, description="share of the posterior noise to add; 0 is deterministic"
    )
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")


class DpmppSdeOptions(Options):
    """Stochasticity of the singlestep SDE solver."""

    eta: NonNegativeFloat = Field(
        1.0, description="strength of the noise term; 0 is dpmpp_2s, 1 is the reverse diffusion"
    )
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")


class Dpmpp3mSdeOptions(Options):
    """Stochasticity of the third SDE solver."""

    eta: NonNegativeFloat = Field(
        1.0, description="strength of the noise term; 0 is deterministic, 1 the reverse diffusion"
    )
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")


class DpmSolverOptions(Options):
    """Order of DPM-Solver."""

    order: int = Field(3, ge=1, le=3, description="order of the method, and evaluations a step")


class UnipcOptions(Options):
    """Order and variant of UniPC."""

    order: int = Field(
        3, ge=1, le=3, description="estimates that the predictor combines; 2 is safer with guidance"
    )
    variant: Literal["B1", "B2"] = Field(
        "B2", description="the function B(h) of the paper: B1 is h, B2 is e^h - 1"
    )


class DeisOptions(Options):
    """The polynomial of DEIS."""

    degree: int = Field(3, ge=1, le=3, description="degree r of the polynomial: tAB-r")
    time: Literal["vp", "log"] = Field(
        "vp",
        description="variable of the polynomial: vp is the time of the variance-preserving "
        "diffusion, log is ln sigma",
    )


class LmsOptions(Options):
    """Order of the linear multistep method."""

    order: int = Field(4, ge=2, le=4, description="number of slopes that a step combines")


class Rk45Options(Options):
    """Accuracy of the adaptive solver."""

    tolerance: PositiveFloat = Field(
        1e-4, description="error that a step may make, relative to 1 + |x|"
    )
    max_evaluations: PositiveInt = Field(
        2000, le=10**6, description="stop with an error after this many evaluations of the network"
    )


class SaSolverOptions(Options):
    """Orders and stochasticity of SA-Solver."""

    predictor: int = Field(3, ge=1, le=4, description="estimates that the predictor combines")
    corrector: int = Field(
        3,
        ge=0,
        le=4,
        description="earlier estimates that the corrector combines; 0 corrects nothing",
    )
    tau: NonNegativeFloat = Field(
        1.0, description="stochasticity; 0 is deterministic, 1 is the reverse diffusion"
    )
    s_min: NonNegativeFloat = Field(0.0, description="add no noise below this sigma")
    s_max: PositiveFloat | None = Field(None, description="add no noise above this sigma")


class RestartOptions(Options):
    """How often, and between which levels, sampling restarts."""

    restarts: NonNegativeInt = Field(2, le=1_000, description="times that noise is added again")
    restart_steps: PositiveInt = Field(3, description="steps of each restart")
    low: NonNegativeFloat = Field(0.06, description="restart where the sampler passes this sigma")
    high: PositiveFloat = Field(0.3, description="sigma up to which noise is added")
    s_noise: NonNegativeFloat = Field(1.0, description="scale of the fresh noise")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class PredictorCorrectorOptions(Options):
    """The predictor, and the Langevin steps that correct it."""

    predictor: Literal["reverse_diffusion", "ancestral"] = Field(
        "reverse_diffusion", description="how a step predicts x at the next level"
    )
    corrector_steps: NonNegativeInt = Field(1, le=1_000, description="Langevin steps at each level")
    snr: PositiveFloat = Field(
        0.16, description="signal-to-noise ratio of a Langevin step; more moves further"
    )


class LangevinOptions(Options):
    """Annealed Langevin dynamics."""

    inner_steps: PositiveInt = Field(10, le=1_000, description="Langevin steps at each level")
    step_size: float = Field(
        0.2, gt=0, lt=2, description="size of a step, in units of the level's variance"
    )


class TrajectoryOptions(Options):
    """Stochasticity of gamma-sampling."""

    gamma: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of fresh noise at each level; 0 follows the trajectory, 1 starts anew "
        "from the data",
    )
