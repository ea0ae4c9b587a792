"""Settings of the core's metrics."""

from __future__ import annotations

from pydantic import Field, PositiveInt

from ..options import Options


class PatchesOptions(Options):
    """Small parts of examples, at several scales."""

    entries: PositiveInt = Field(49, description="entries of a patch along its long axes together: 49, or 7x7, or 4x4x4")
    patches: PositiveInt = Field(128, description="patches of an example at each scale, at most")
    directions: PositiveInt = Field(128, description="directions on which the patches are projected")
