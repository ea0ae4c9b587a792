"""Settings. difftool imports this module to print help, so it must not import torch or numpy."""

from pydantic import Field, PositiveInt

from difftool import ArraysOptions


class VoxelsOptions(ArraysOptions):
    size: PositiveInt = Field(16, description="voxels along each axis")
