"""The parts of this plugin, as specs: their code is imported only when it is used."""

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities():
    yield ModalitySpec(
        "points",
        "points of one or two numbers in .csv files, and toys whose density is known",
        "difftool_points.points:Points",
        "difftool_points.options:PointsOptions",
        representations=("standard",),
        metrics=("likelihood",),
    )


@hookimpl
def difftool_backbones():
    summary = "linear layers over all entries of a small example"
    yield Spec("mlp", summary, "difftool_points.mlp:Mlp", "difftool_points.options:MlpOptions")


@hookimpl
def difftool_recipes():
    summary = "a toy distribution in a minute on a CPU"
    yield RecipeSpec("tiny", summary, "difftool_points:recipes/tiny.toml", modality="points")
