"""The parts of this plugin, as specs: their code is imported only when it is used."""

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities():
    yield ModalitySpec(
        "ecg",
        "heartbeats: one-channel signals in .csv files, one number on each line",
        "difftool_ecg.ecg:Ecg",
        "difftool:ArraysOptions",
        representations=("standard",),
    )


@hookimpl
def difftool_samplers():
    summary = "the midpoint method: second order, two evaluations per step"
    yield Spec("midpoint", summary, "difftool_ecg.midpoint:midpoint")


@hookimpl
def difftool_recipes():
    summary = "one beat, in a minute on a CPU"
    yield RecipeSpec("tiny", summary, "difftool_ecg:recipes/tiny.toml", modality="ecg")
