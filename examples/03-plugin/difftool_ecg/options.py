"""Settings. difftool imports this module to print help, so it must not import torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from difftool import Options


class EcgOptions(Options):
    """How signals are read."""

    length: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="number of readings to use of each signal; auto takes the length of the shortest",
    )


class EcgRequest(Options):
    """The modality's own flags of ``difftool sample``."""

    length: NonNegativeInt = Field(
        0, description="number of readings of each sample; 0 for as many as in training"
    )


class ScaleOptions(Options):
    """The scale of signals in model units."""

    scale: PositiveFloat = Field(2.0, description="factor from millivolts to model units")
