"""What the plugin provides."""

from __future__ import annotations

from difftool import ConditionerSpec, hookimpl


@hookimpl
def difftool_conditioners() -> list[ConditionerSpec]:
    return [
        ConditionerSpec(
            "caption",
            "the bytes of a text, as tokens of a frozen table",
            "toytext.conditioner:Caption",
            "toytext.options:CaptionOptions",
            column="toytext.column:CaptionColumn",
        )
    ]
