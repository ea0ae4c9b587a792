"""What the plugin provides."""

from __future__ import annotations

from difftool import Spec, hookimpl

OWN = "toyguidance.options"


@hookimpl
def difftool_guidances() -> list[Spec]:
    return [
        Spec("plusplus", "CFG++", "toyguidance.combining:PlusPlus", f"{OWN}:ScaleOptions"),
        Spec("weaker", "autoguidance", "toyguidance.opening:Weaker", f"{OWN}:WeakerOptions"),
        Spec("measured", "towards a mean", "toyguidance.measuring:Measured", f"{OWN}:MeanOptions"),
    ]
