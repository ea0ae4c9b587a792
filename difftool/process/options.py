"""Settings of the process's four columns: one class for each part."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ..options import Options

# --- rows of the preconditioning table ---


class EdmOptions(Options):
    """Rows that are scaled by the standard deviation of the data."""

    sigma_data: PositiveFloat = Field(
        0.5, description="standard deviation of the data in model units"
    )


class PathOptions(Options):
    """Rows that follow a path between the data and noise of unit variance."""

    sigma_data: PositiveFloat = Field(
        1.0, description="standard deviation of the data in model units; only weightings use it"
    )


class ColdOptions(Options):
    """Cold diffusion: degradation without noise (Bansal et al. 2022, arXiv:2208.09392)."""

    sigma_data: PositiveFloat = Field(
        0.5, description="standard deviation of the data in model units"
    )
    degradation: Literal["blur", "pixelate", "mask", "snow", "fade"] = Field(
        "blur", description="how examples lose what they hold"
    )
    algorithm: Literal["improved", "naive"] = Field(
        "improved",
        description="the solver: Algorithm 2 of the paper, which forgives errors of the network, "
        "or Algorithm 1",
    )
    jitter: NonNegativeFloat = Field(
        0.01, description="noise on the start of sampling, which makes equal starts differ"
    )


# --- densities of training noise levels ---


class DensityOptions(Options):
    """What every density has: how a batch is spread, and the range of noise levels."""

    stratified: bool = Field(
        False,
        description="spread the noise levels of each batch evenly, for a less noisy gradient "
        "(Kingma et al. 2021)",
    )
    low: NonNegativeFloat = Field(
        0.0,
        description="train on sigma above this only; use it for a model that shares the range with "
        "others",
    )
    high: PositiveFloat | None = Field(
        None,
        description="train on sigma below this only; use it for a model that shares the range with "
        "others",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class UniformOptions(DensityOptions):
    """Uniform in the schedule's time."""


class StratifiedOptions(UniformOptions):
    """Uniform in the schedule's time, spread evenly over each batch."""

    stratified: bool = Field(
        True,
        description="spread the noise levels of each batch evenly, for a less noisy gradient "
        "(Kingma et al. 2021)",
    )


class LogNormalOptions(DensityOptions):
    """ln sigma is normal."""

    p_mean: float = Field(-1.2, description="mean of ln sigma")
    p_std: PositiveFloat = Field(1.2, description="standard deviation of ln sigma")


class LogitNormalOptions(LogNormalOptions):
    """logit t is normal, where t = sigma / (1 + sigma) is flow time.

    As logit t = ln sigma, it is log-normal.
    """

    p_mean: float = Field(
        0.0,
        description="mean of logit t; lower values favour clean examples, higher values noisy ones",
    )
    p_std: PositiveFloat = Field(1.0, description="standard deviation of logit t")


class DiscreteOptions(DensityOptions):
    """DDPM's discrete times."""

    levels: PositiveInt = Field(
        1000, ge=2, description="number of times, evenly spaced; as many as schedule.levels"
    )


# --- weightings ---


class MinSnrOptions(Options):
    """The signal-to-noise ratio is sigma_data^2 / sigma^2."""

    gamma: PositiveFloat = Field(
        5.0, description="signal-to-noise ratio above which the weight no longer grows"
    )


class SoftMinSnrOptions(Options):
    """The signal-to-noise ratio is sigma_data^2 / sigma^2.

    The paper defines it as 1 / sigma^2: its gamma = 4 at sigma_data = 0.5 is gamma = 1 here.
    """

    gamma: PositiveFloat = Field(
        1.0, description="signal-to-noise ratio around which the weight stops growing"
    )


# --- schedules ---


class RangeOptions(Options):
    """The ends of a schedule."""

    sigma_min: PositiveFloat = Field(
        0.002, description="lowest noise level; the last step of a sampler goes from it to 0"
    )
    sigma_max: PositiveFloat = Field(80.0, description="highest noise level, where sampling starts")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(
                f"sigma_min {self.sigma_min:g} must be below sigma_max {self.sigma_max:g}"
            )
        return self


class KarrasOptions(RangeOptions):
    """Linear in sigma^(1/rho)."""

    rho: PositiveFloat = Field(
        7.0,
        ge=0.1,
        le=1_000,
        description="how densely the levels lie near sigma_min; 1 spaces them evenly",
    )


class ExponentialOptions(RangeOptions):
    """Linear in ln sigma."""


class SeverityOptions(RangeOptions):
    """Severities of a degradation, evenly spaced."""

    sigma_min: PositiveFloat = Field(0.001, description="lowest severity that is trained")
    sigma_max: PositiveFloat = Field(
        1.0, le=1, description="highest severity; at 1 nothing is left of an example"
    )


class FlowOptions(RangeOptions):
    """Rectified flow. Its path ends at infinite sigma, so sigma_max limits it."""

    sigma_min: PositiveFloat = Field(0.001, description="lowest noise level")
    sigma_max: PositiveFloat = Field(
        1000.0, description="highest noise level; 1000 is sigma / (1 + sigma) = 0.999 in flow time"
    )
    shift: PositiveFloat = Field(
        1.0,
        description="factor on sigma at equal time; use more than 1 for large examples, where "
        "noise hides less",
    )


class CosineOptions(RangeOptions):
    """The cosine schedule. Its path ends at infinite sigma, so sigma_max limits it."""

    sigma_min: PositiveFloat = Field(0.006, description="lowest noise level")
    sigma_max: PositiveFloat = Field(
        160.0, description="highest noise level, where sampling starts"
    )
    offset: NonNegativeFloat = Field(
        0.008,
        le=1,
        description="the offset s of the paper, which keeps the steps near the data from being too "
        "small",
    )
    shift: PositiveFloat = Field(
        1.0,
        description="factor on sigma at equal time; side / 64 gives examples of any side the noise "
        "that suits those of side 64 (Hoogeboom et al. 2023)",
    )
    shift_end: PositiveFloat | None = Field(
        None,
        description="factor on sigma at the noisy end, if it differs; in between, the factors are "
        "interpolated in ln sigma",
    )


class LaplaceOptions(RangeOptions):
    """The log-SNR follows a Laplace distribution. Its path has no ends, so the range limits it."""

    sigma_min: PositiveFloat = Field(0.006, description="lowest noise level")
    sigma_max: PositiveFloat = Field(
        160.0, description="highest noise level, where sampling starts"
    )
    mean: float = Field(0.0, description="mean of the log-SNR, ln(1 / sigma^2)")
    scale: PositiveFloat = Field(
        0.5, description="scale of the Laplace distribution; less keeps closer to the mean"
    )


class SigmoidOptions(RangeOptions):
    """The sigmoid schedule. Its path ends at infinite sigma, so sigma_max limits it."""

    sigma_min: PositiveFloat = Field(0.006, description="lowest noise level")
    sigma_max: PositiveFloat = Field(
        160.0, description="highest noise level, where sampling starts"
    )
    start: float = Field(-3.0, description="position on the sigmoid of the clean end")
    end: float = Field(3.0, description="position on the sigmoid of the noisy end")
    tau: PositiveFloat = Field(
        1.0, description="temperature; below 1 makes the middle steeper, above 1 flatter"
    )

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g} must be below end {self.end:g}")
        return self


class PolynomialOptions(Options):
    """The polynomial schedule; its precision determines its ends."""

    power: PositiveFloat = Field(
        2.0, description="exponent of time; more keeps examples clean for longer"
    )
    precision: float = Field(
        1e-5,
        ge=1e-12,
        lt=0.5,
        description="lowest variance of the noise, and of the data at the noisy end; sigma_max is "
        "about 1 / sqrt(precision)",
    )


Spacing = Literal["leading", "trailing", "linspace"]


class LinearOptions(Options):
    """DDPM's table of betas that grow linearly."""

    beta_min: PositiveFloat = Field(
        1e-4, lt=1, description="variance added by the first step of the table"
    )
    beta_max: PositiveFloat = Field(
        0.02, lt=1, description="variance added by the last step of the table"
    )
    renamed: ClassVar = {"steps": "levels"}

    levels: PositiveInt = Field(1000, le=1_000_000, ge=2, description="noise levels in the table")
    spacing: Spacing = Field(
        "trailing",
        description="which end of the table a sampler includes: leading the cleanest level, "
        "trailing the noisiest, linspace both",
    )
    terminal: PositiveFloat | None = Field(
        None,
        description="rescale the table to end at this sigma; a large value gives zero terminal SNR",
    )

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.beta_min > self.beta_max:
            raise ValueError(
                f"beta_min {self.beta_min:g} must not be above beta_max {self.beta_max:g}"
            )
        return self


class AysOptions(Options):
    """Noise levels that were found for a model, by `difftool tune schedule`."""

    levels: tuple[PositiveFloat, ...] = Field(
        (80.0, 0.002),
        min_length=2,
        description="decreasing noise levels, without the last 0; other numbers of steps "
        "interpolate them in ln sigma",
    )

    @model_validator(mode="after")
    def _decreasing(self) -> Self:
        if any(a <= b for a, b in pairwise(self.levels)):
            raise ValueError("levels must decrease, such as [80, 1.5, 0.002]")
        return self


class VeOptions(RangeOptions):
    """The variance-exploding diffusion; its schedule is geometric."""

    sigma_min: PositiveFloat = Field(
        0.01, description="lowest noise level; the last step of a sampler goes from it to 0"
    )
    sigma_max: PositiveFloat = Field(50.0, description="highest noise level, where sampling starts")


class VpOptions(Options):
    """The variance-preserving diffusion, whose rate beta grows linearly."""

    beta_min: PositiveFloat = Field(0.1, description="rate at time 0")
    beta_max: PositiveFloat = Field(20.0, description="rate at time 1")
    t_min: float = Field(
        1e-3, gt=0, lt=1, description="earliest time, which determines the lowest noise level"
    )

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.beta_min > self.beta_max:
            raise ValueError(
                f"beta_min {self.beta_min:g} must not be above beta_max {self.beta_max:g}"
            )
        return self


class SubVpOptions(VpOptions):
    """The sub-variance-preserving diffusion."""


class BetaOptions(LinearOptions):
    """DDPM's table, of which a sampler visits the quantiles of a beta distribution."""

    alpha: PositiveFloat = Field(
        0.6, description="first parameter of the beta distribution; less favours clean levels"
    )
    beta: PositiveFloat = Field(
        0.6, description="second parameter of the beta distribution; less favours noisy levels"
    )


class ZeroSnrOptions(LinearOptions):
    """DDPM's table, rescaled to zero terminal signal-to-noise ratio but for a finite last sigma."""

    terminal: PositiveFloat | None = Field(
        1000.0,
        description="rescale the table to end at this sigma; a large value gives zero terminal SNR",
    )
