"""Options of modalities whose examples are arrays."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from ..options import Options


class ArraysOptions(Options):
    """How arrays are read."""

    shape: Literal["auto"] | tuple[PositiveInt, ...] = Field(
        "auto",
        description="shape of every array, channels first; auto takes the most common one. Longer "
        "arrays are cut at the end of the last axis",
        json_schema_extra={"metavar": "auto|[C,N,…]"},
    )


class SequencesOptions(Options):
    """How arrays are read whose last axis differs from one to the other."""

    longest: Literal["auto"] | PositiveInt = Field(
        "auto",
        description="entries of the last axis that are used of each array; auto uses all of them",
        json_schema_extra={"metavar": "auto|N"},
    )


class LengthRequest(Options):
    """The length of samples."""

    length: NonNegativeInt = Field(
        0, description="entries of the last axis of each sample; 0 for lengths as in the data"
    )
