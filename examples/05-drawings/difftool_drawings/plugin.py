"""The parts of this plugin, as specs: their code is imported only when it is used."""

from difftool import ModalitySpec, RecipeSpec, Spec, hookimpl


@hookimpl
def difftool_modalities():
    yield ModalitySpec(
        "drawings",
        "vector drawings: strokes in .svg or .json files",
        "difftool_drawings.drawings:Drawings",
        "difftool_drawings.options:DrawingsOptions",
        representations=("standard",),
        request="difftool:LengthRequest",
        metrics=("strokes",),
    )


@hookimpl
def difftool_metrics():
    summary = "strokes and ink of a drawing, and how far their distributions are from the data's"
    yield Spec("strokes", summary, "difftool_drawings.strokes:Strokes")


@hookimpl
def difftool_recipes():
    summary = "drawings of up to 100 points, in minutes on a CPU"
    yield RecipeSpec("tiny", summary, "difftool_drawings:recipes/tiny.toml", modality="drawings")


@hookimpl
def difftool_cascades():
    summary = "a quarter of the points, then all of them"
    yield RecipeSpec("finer", summary, "difftool_drawings:cascades/finer.toml", modality="drawings")
