"""A registry without plugins: two kinds of data that exist only here, beside difftool's own parts."""

from __future__ import annotations

from types import SimpleNamespace

from pydantic import Field

from difftool import Options, hookimpl
from difftool.plugin import builtin
from difftool.plugin.discovery import Plugin
from difftool.plugin.registry import Registry
from difftool.plugin.spec import ModalitySpec, RecipeSpec, Spec


class EcgOptions(Options):
    length: int = Field(128, gt=0, description="samples")
    leads: tuple[int, ...] = Field((1, 2), description="which leads")
    name: str = Field("", description="a text")
    cutoff: float | None = Field(None, gt=0, description="filter")
    flip: bool = Field(False, description="turn upside down")


class TideOptions(Options):
    rate: float = Field(1.0, gt=0, description="per hour")


class WaveOptions(Options):
    gain: float = Field(1.0, description="factor")


def hooks(**given):
    """A plugin module with these specs: ``hooks(modalities=[...])``."""

    def made(specs):
        def hook():
            return specs

        return hook

    module = SimpleNamespace()
    for plural, specs in given.items():
        function = made(specs)
        function.__name__ = f"difftool_{plural}"
        setattr(module, f"difftool_{plural}", hookimpl(function))
    return module


ECG = ModalitySpec(
    "ecg", "heart beats", "math:pi", f"{__name__}:EcgOptions", representations=("raw", "wave")
)
TIDE = ModalitySpec(
    "tide", "water levels", "math:pi", f"{__name__}:TideOptions", representations=("raw",)
)


def plugin(name: str = "ecg", distribution: str = "difftool-ecg", version: str = "1.2") -> Plugin:
    return Plugin(name, f"{name}.plugin", distribution, version)


def fake_registry(recipes: list[RecipeSpec] | None = None, report=lambda line: None) -> Registry:
    registry = Registry(report)
    registry.add(Plugin("core", "difftool.plugin.builtin", "difftool", "0.1.0"), lambda: builtin)
    parts = hooks(
        modalities=[ECG, TIDE],
        representations=[
            Spec("raw", "as it is", "math:pi"),
            Spec("wave", "scaled", "math:pi", f"{__name__}:WaveOptions"),
        ],
        recipes=recipes or [],
    )
    registry.add(plugin(), lambda: parts)
    return registry
