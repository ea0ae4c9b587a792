"""Options: the declaration of a part's settings, for TOML keys, flags, JSON schema and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """Base of all options models: frozen, without unknown keys, each field with a ``description``.

    A field whose flag accepts more than its type shows declares the placeholder for its help text:
    ``json_schema_extra={"metavar": "auto|N"}``.

    ``renamed = {"old": "new"}`` lists fields that had another name in an earlier version. The old
    key is accepted for one version, and a warning gives the new name.

    ``obsolete`` lists keys of an earlier version that have no effect any more. They are ignored for
    one version.

    ``migrate`` turns the settings that a run or a model of an earlier version was saved with into
    present ones, where a new name alone is not enough.

    ``needs`` lists fields that may be empty, but without which the part can do nothing: field ->
    what to do, in a sentence or two. A configuration that uses the part without them is refused
    before anything is built.

    A module that declares options must not import torch or numpy: difftool imports it to print help
    and to check a configuration.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
        defer_build=True,  # help reads fields only, and a command validates few of all models
    )
    renamed: ClassVar[Mapping[str, str]] = {}
    obsolete: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def migrate(cls, saved: dict[str, Any]) -> dict[str, Any]:
        """The settings of a saved run or model as this version understands them.

        Called for what difftool saved, and not for what a person writes: ``renamed`` has been
        applied. By default they are unchanged.
        """
        return saved


class NoOptions(Options):
    """The options of parts without settings."""
