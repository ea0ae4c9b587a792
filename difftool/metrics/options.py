"""Settings of the core's metrics."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from ..options import Options


class PatchesOptions(Options):
    """Patches of examples at several scales."""

    entries: PositiveInt = Field(
        49,
        le=1_000_000_000,
        description="number of entries of a patch over its long axes; 49 is 7x7, or about 4x4x4",
    )
    patches: PositiveInt = Field(
        128, le=10_000_000, description="largest number of patches of an example at each scale"
    )
    directions: PositiveInt = Field(
        128, le=1_000_000, description="number of directions on which the patches are projected"
    )
