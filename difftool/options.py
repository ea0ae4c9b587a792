"""Options: how every part declares its settings, once, for TOML keys, flags, JSON schema and error messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every options model: frozen, unknown keys forbidden, each field with a ``description``.

    A field whose flag takes more than its type says names it: ``json_schema_extra={"metavar": "auto|N"}``.

    A field that was called otherwise in an earlier version says so: ``renamed = {"old": "new"}``. The old key is accepted
    for one version, wherever it was written, and a user who wrote it is given the new name.

    A key that an earlier version took and that no longer means anything stands in ``obsolete``: it is left out for one version.

    A module that declares options must import neither torch nor numpy: it is loaded to print help and to check a config.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)
    renamed: ClassVar[Mapping[str, str]] = {}
    obsolete: ClassVar[tuple[str, ...]] = ()


class NoOptions(Options):
    """For parts that have nothing to set."""
