"""Settings of the process's columns: one model per row, density, weighting and schedule."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from ..options import Options

# --- rows of the preconditioning table ---


class EdmOptions(Options):
    """Rows that are scaled by the spread of the data."""

    sigma_data: PositiveFloat = Field(0.5, description="standard deviation of the data in model units")


class PathOptions(Options):
    """Rows that are a path between data and noise of unit variance."""

    sigma_data: PositiveFloat = Field(1.0, description="standard deviation of the data in model units; only weightings look at it")


# --- densities of training noise levels ---


class DensityOptions(Options):
    """What every density with a formula has: how a batch is spread, and a range to keep to."""

    stratified: bool = Field(False, description="spread the levels of one batch evenly (Kingma et al. 2021): a less noisy gradient")
    low: NonNegativeFloat = Field(0.0, description="train on sigma above this only, for a model that serves beside others")
    high: PositiveFloat | None = Field(None, description="train on sigma below this only, for a model that serves beside others")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} must be below high {self.high:g}")
        return self


class UniformOptions(DensityOptions):
    """Uniform in the schedule's time."""


class StratifiedOptions(UniformOptions):
    """Uniform in the schedule's time, evenly spread over each batch."""

    stratified: bool = Field(True, description="spread the levels of one batch evenly (Kingma et al. 2021): a less noisy gradient")


class LogNormalOptions(DensityOptions):
    """ln sigma is normal."""

    p_mean: float = Field(-1.2, description="mean of ln sigma")
    p_std: PositiveFloat = Field(1.2, description="standard deviation of ln sigma")


class LogitNormalOptions(LogNormalOptions):
    """logit t is normal, t = sigma / (1 + sigma) being flow time; since logit t = ln sigma, a log-normal by another name."""

    p_mean: float = Field(0.0, description="mean of logit t; less favours clean examples, more favours noisy ones")
    p_std: PositiveFloat = Field(1.0, description="standard deviation of logit t")


# --- weightings ---


class MinSnrOptions(Options):
    """The signal-to-noise ratio is sigma_data^2 / sigma^2."""

    gamma: PositiveFloat = Field(5.0, description="signal-to-noise ratio above which the weight no longer grows")


class SoftMinSnrOptions(Options):
    """The signal-to-noise ratio is sigma_data^2 / sigma^2; counted as 1 / sigma^2, gamma = 1 is the paper's 4 at sigma_data = 0.5."""

    gamma: PositiveFloat = Field(1.0, description="signal-to-noise ratio around which the weight stops growing")


# --- schedules ---


class RangeOptions(Options):
    """What every schedule with a formula has: its ends."""

    sigma_min: PositiveFloat = Field(0.002, description="lowest noise level; the sampler's last step goes from there to 0")
    sigma_max: PositiveFloat = Field(80.0, description="highest noise level, where sampling starts")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.sigma_min >= self.sigma_max:
            raise ValueError(f"sigma_min {self.sigma_min:g} must be below sigma_max {self.sigma_max:g}")
        return self


class KarrasOptions(RangeOptions):
    """Linear in sigma^(1/rho)."""

    rho: PositiveFloat = Field(7.0, description="how much the levels crowd towards sigma_min; 1 spaces them evenly")


class ExponentialOptions(RangeOptions):
    """Linear in ln sigma."""


class FlowOptions(RangeOptions):
    """Rectified flow; its path ends at infinite sigma, so that sigma_max caps it."""

    sigma_min: PositiveFloat = Field(0.001, description="lowest noise level trained on")
    sigma_max: PositiveFloat = Field(1000.0, description="highest noise level, sigma / (1 + sigma) = 0.999 in flow time")
    shift: PositiveFloat = Field(1.0, description="multiplies sigma at equal time: above 1 for large examples, where noise hides less")


class CosineOptions(RangeOptions):
    """The cosine schedule; its path ends at infinite sigma, so that sigma_max caps it."""

    sigma_min: PositiveFloat = Field(0.006, description="lowest noise level trained on")
    sigma_max: PositiveFloat = Field(160.0, description="highest noise level, where sampling starts")
    offset: NonNegativeFloat = Field(0.008, le=1, description="the paper's s: keeps the first steps from being too small")


class SigmoidOptions(RangeOptions):
    """The sigmoid schedule; its path ends at infinite sigma, so that sigma_max caps it."""

    sigma_min: PositiveFloat = Field(0.006, description="lowest noise level trained on")
    sigma_max: PositiveFloat = Field(160.0, description="highest noise level, where sampling starts")
    start: float = Field(-3.0, description="where on the sigmoid the clean end lies")
    end: float = Field(3.0, description="where on the sigmoid the noisy end lies")
    tau: PositiveFloat = Field(1.0, description="temperature: below 1 steepens the middle, above 1 flattens it")

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g} must be below end {self.end:g}")
        return self


class PolynomialOptions(Options):
    """The polynomial schedule; its precision says where it begins and ends."""

    power: PositiveFloat = Field(2.0, description="of time: more keeps examples clean for longer")
    precision: float = Field(
        1e-5,
        ge=1e-12,
        lt=0.5,
        description="variance of the noise where it is least, and of the data where it is most: sigma_max is about its root's inverse",
    )


Spacing = Literal["leading", "trailing", "linspace"]


class LinearOptions(Options):
    """DDPM's table of linearly growing betas."""

    beta_min: PositiveFloat = Field(1e-4, lt=1, description="variance added by the first step of the table")
    beta_max: PositiveFloat = Field(0.02, lt=1, description="variance added by the last step of the table")
    renamed: ClassVar = {"steps": "levels"}

    levels: PositiveInt = Field(1000, ge=2, description="noise levels in the table")
    spacing: Spacing = Field("trailing", description="levels that a sampler visits: noisiest first, cleanest last, or both ends")
    terminal: PositiveFloat | None = Field(None, description="rescale the table to end at this sigma; a large one is zero terminal SNR")

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.beta_min > self.beta_max:
            raise ValueError(f"beta_min {self.beta_min:g} must not be above beta_max {self.beta_max:g}")
        return self


class ZeroSnrOptions(LinearOptions):
    """DDPM's table rescaled to zero terminal signal-to-noise ratio, capped at a sigma that numbers can bear."""

    terminal: PositiveFloat | None = Field(1000.0, description="rescale the table to end at this sigma; a large one is zero terminal SNR")
