"""Settings of captions."""

from __future__ import annotations

from pydantic import Field

from difftool import Options


class CaptionOptions(Options):
    table: str = Field("", description="safetensors file of the frozen table")
    stored: bool = Field(
        True, description="keep the table in the model file, and not its checksum alone"
    )
    width: int = Field(8, gt=0, description="width of a token")
    dropout: float = Field(
        0.1, ge=0, le=1, description="probability that training leaves the caption open"
    )
