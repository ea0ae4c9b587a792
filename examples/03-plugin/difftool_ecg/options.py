"""Settings. This module is imported to print help, so it must not import torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from difftool import Options


class EcgOptions(Options):
    """How signals are read."""

    length: Literal["auto"] | PositiveInt = Field("auto", description="readings of each signal that are used; auto is the shortest one's")


class EcgRequest(Options):
    """The modality's own flags of ``difftool sample``."""

    length: NonNegativeInt = Field(0, description="readings of each sample; 0 for as many as in training")


class ScaleOptions(Options):
    """How large the network sees a signal."""

    scale: PositiveFloat = Field(2.0, description="factor from millivolts to model units")
