"""Options: how every part declares its settings, once, for TOML keys, flags, JSON schema and error messages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of every options model: frozen, unknown keys forbidden, each field with a ``description``.

    A field whose flag takes more than its type says names it: ``json_schema_extra={"metavar": "auto|N"}``.

    A module that declares options must import neither torch nor numpy: it is loaded to print help and to check a config.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)


class NoOptions(Options):
    """For parts that have nothing to set."""
