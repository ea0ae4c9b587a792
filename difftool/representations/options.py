"""Options of the core's representations."""

from __future__ import annotations

from pydantic import Field, PositiveFloat

from ..options import Options


class StandardOptions(Options):
    """Data with a mean of zero and one standard deviation in each channel."""

    spread: PositiveFloat = Field(
        0.5,
        description="standard deviation of each channel in model units; the process expects 0.5",
    )
    per_channel: bool = Field(
        True, description="measure each channel by itself; false measures all channels together"
    )
