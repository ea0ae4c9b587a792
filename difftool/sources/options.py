"""Settings of sources."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt

from ..options import Options


class ArchiveOptions(Options):
    """Limits of unpacking, so that a small archive cannot fill the disk."""

    max_files: PositiveInt = Field(5_000_000, description="largest number of files in an archive")
    max_size: PositiveFloat = Field(1000.0, description="largest unpacked size in gigabytes")
    max_ratio: PositiveFloat = Field(
        100.0, description="largest ratio of unpacked to packed size; 1 GB is always allowed"
    )


class ParquetOptions(Options):
    """Parquet files whose rows hold files."""

    column: str = Field("", description="the column with the files; unset for the only one")
    suffix: str = Field(
        "",
        pattern=r"(\.\w+)?$",
        description="what the files are, such as .png; unset for what their names or bytes say",
    )
    max_ratio: PositiveFloat = Field(
        100.0, description="largest ratio of unpacked to packed size; 1 GB is always allowed"
    )
