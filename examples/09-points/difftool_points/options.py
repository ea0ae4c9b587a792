"""Settings. difftool imports this module to print help, so it must not import torch or numpy."""

from typing import Literal

from pydantic import Field, PositiveInt

from difftool import ArraysOptions, Options


class PointsOptions(ArraysOptions):
    toy: Literal["moons", "rings", "spiral", "pair"] = Field(
        "moons",
        description="distribution of the demo set, whose density is known; pair has one number",
    )


class MlpOptions(Options):
    width: PositiveInt = Field(128, description="width of the hidden layers")
    layers: PositiveInt = Field(3, description="residual layers")
