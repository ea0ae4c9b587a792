"""Settings. This module must not import torch or numpy."""

from pydantic import Field, PositiveFloat, PositiveInt

from difftool import OptimizerOptions, Options


class LionOptions(OptimizerOptions):
    """Lion (Chen et al. 2023, arXiv:2302.06675)."""

    betas: tuple[float, float] = Field(
        (0.9, 0.99), description="decay of the average in the update, and of the stored average"
    )


class TableOptions(Options):
    """A table of the losses."""

    name: str = Field("losses.csv", description="name of the file in the run's folder")


class FadingOptions(Options):
    """How conditions steer samples."""

    scale: float = Field(
        2.0, ge=0, description="guidance where there is no noise; 1 samples the conditional model"
    )


class PlainOptions(Options):
    """Residual convolutions at one resolution."""

    channels: PositiveInt = Field(32, description="width of the network")
    layers: PositiveInt = Field(4, description="number of convolutions between first and last")


class AngleOptions(Options):
    """A row of the preconditioning table."""

    sigma_data: PositiveFloat = Field(0.5, description="standard deviation of encoded examples")


class PeakedOptions(Options):
    """Laplace distributed ln sigma."""

    center: float = Field(-1.2, description="the most frequent ln sigma")
    scale: PositiveFloat = Field(0.8, description="mean distance from it")


class SoftOptions(Options):
    """A sigmoid of the signal-to-noise ratio."""

    bias: float = Field(1.0, description="levels with ln SNR below this count most")


class EvenAnglesOptions(Options):
    """Evenly spaced angles."""

    sigma_min: PositiveFloat = Field(0.002, description="lowest noise level")
    sigma_max: PositiveFloat = Field(80.0, description="highest noise level")


class HuberOptions(Options):
    """The pseudo-Huber loss."""

    c: PositiveFloat = Field(0.3, description="errors below this count squared, others linearly")


class ClockOptions(Options):
    """The time of day."""

    width: PositiveInt = Field(256, description="width of the vector")
    dropout: float = Field(0.1, ge=0, le=1, description="share of training examples without it")
