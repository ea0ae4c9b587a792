"""The plugin's parts."""

from __future__ import annotations

from difftool import Spec, hookimpl


@hookimpl
def difftool_objectives() -> list[Spec]:
    return [
        Spec(
            "squeeze",
            "examples from a code of half their size",
            "toyautoencoder.objective:Autoencoder",
            "difftool.options:NoOptions",
        )
    ]
