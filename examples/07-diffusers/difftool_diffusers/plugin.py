"""The parts of this plugin, as specs: their code is imported only when it is used."""

from difftool import ExporterSpec, Spec, hookimpl

HOME = "difftool_diffusers"


@hookimpl
def difftool_backbones():
    summary = "a network of diffusers, with the weights of one of its folders or new ones"
    options = f"{HOME}.options:NetworkOptions"
    yield Spec("diffusers", summary, f"{HOME}.network:Network", options)


@hookimpl
def difftool_representations():
    summary = "the latents of an autoencoder in a folder of diffusers"
    options = f"{HOME}.options:LatentsOptions"
    yield Spec("diffusers", summary, f"{HOME}.latents:Latents", options)


@hookimpl
def difftool_samplers():
    summary = "a scheduler of diffusers"
    options = f"{HOME}.options:SchedulerOptions"
    yield Spec("diffusers", summary, f"{HOME}.scheduler:scheduler", options)


@hookimpl
def difftool_exporters():
    summary = "a folder as diffusers reads it, in a .zip file"
    yield ExporterSpec("diffusers", summary, f"{HOME}.folder:write_folder", suffix=".zip")
