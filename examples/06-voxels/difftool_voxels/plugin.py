"""The parts of this plugin, as specs: their code is imported only when it is used."""

from difftool import ModalitySpec, RecipeSpec, hookimpl


@hookimpl
def difftool_modalities():
    yield ModalitySpec(
        "voxels",
        "solid shapes: .ply and .obj files, and grids in .npy files",
        "difftool_voxels.voxels:Voxels",
        "difftool_voxels.options:VoxelsOptions",
        representations=("standard",),
    )


@hookimpl
def difftool_recipes():
    summary = "shapes of 16 x 16 x 16 voxels, in minutes on a CPU"
    yield RecipeSpec("tiny", summary, "difftool_voxels:recipes/tiny.toml", modality="voxels")


@hookimpl
def difftool_cascades():
    summary = "16 x 16 x 16 voxels, then 32 x 32 x 32"
    yield RecipeSpec("x2", summary, "difftool_voxels:cascades/x2.toml", modality="voxels")
