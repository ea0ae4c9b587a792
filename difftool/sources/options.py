"""Settings of sources."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from ..options import Options


class ArchiveOptions(Options):
    """Limits on what archives may unpack to, so that a small file cannot fill the disk."""

    max_files: PositiveInt = Field(5_000_000, description="files that archives may hold, at most")
    max_size: PositiveFloat = Field(1000.0, description="gigabytes that archives may unpack to, at most")
    max_ratio: PositiveFloat = Field(100.0, description="how many times their own size archives may unpack to, at most; 1 GB is always allowed")
