"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "ecg",
            "heartbeats: one-channel signals in .csv files, one number per line",
            "difftool_ecg.modality:Ecg",
            "difftool_ecg.options:EcgOptions",
            representations=("millivolts",),
            request="difftool_ecg.options:EcgRequest",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        Spec(
            "millivolts",
            "millivolts, scaled",
            "difftool_ecg.millivolts:Millivolts",
            "difftool_ecg.options:ScaleOptions",
        )
    ]


@hookimpl
def difftool_samplers() -> list[Spec]:
    return [
        Spec(
            "midpoint",
            "the midpoint method: second order, two evaluations per step",
            "difftool_ecg.midpoint:midpoint",
        )
    ]


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [
        RecipeSpec(
            "tiny",
            "one beat, in a minute on a CPU",
            "difftool_ecg:recipes/tiny.toml",
            modality="ecg",
        )
    ]
