"""What this plugin brings, as specs: nothing of it is imported until it is used."""

from __future__ import annotations

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "ecg",
            "heartbeats: one-channel signals in .csv files, one number a line",
            "difftool_ecg.modality:Ecg",
            "difftool_ecg.options:EcgOptions",
            representations=("millivolts",),
            request="difftool_ecg.options:EcgRequest",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [Spec("millivolts", "millivolts as they are, scaled", "difftool_ecg.millivolts:Millivolts", "difftool_ecg.options:ScaleOptions")]


@hookimpl
def difftool_samplers() -> list[Spec]:
    return [Spec("midpoint", "the midpoint method: second order, two evaluations a step", "difftool_ecg.midpoint:midpoint")]


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [RecipeSpec("tiny", "one beat, in a minute on a CPU", "difftool_ecg:recipes/tiny.toml", modality="ecg")]
