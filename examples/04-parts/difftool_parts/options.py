"""Settings. This module must not import torch or numpy."""

from pydantic import Field

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
