"""Settings. difftool imports this module to print help, so it must not import torch or numpy."""

from pydantic import Field, PositiveInt

from difftool import SequencesOptions


class DrawingsOptions(SequencesOptions):
    every: PositiveInt = Field(1, description="train on every n-th point, for a coarse stage")
