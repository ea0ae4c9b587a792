"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import CheckSpec, MetricSpec, ModalitySpec, RecipeSpec, Spec, hookimpl

RECIPES = {
    "autoencoder": "64 pixels as 256 numbers, in ten minutes on a CPU (about 0.7 M parameters)",
    "autoencoder-small": "128 to 512 pixels as an eighth of the positions, on one GPU",
    "tiny": "32 pixels in minutes on a CPU (about 5 M parameters)",
    "dit-tiny": "as tiny, with the diffusion transformer (about 4 M parameters)",
    "dit-small": (
        "32 to 64 pixels with the diffusion transformer on one GPU (about 33 M parameters)"
    ),
    "uvit-tiny": "as dit-tiny, with long skips (about 4 M parameters)",
    "uvit-small": "as dit-small, with long skips",
    "mmdit-tiny": "as dit-tiny, for conditions that are sequences (about 5 M parameters)",
    "mmdit-small": "as dit-small, for conditions that are sequences",
    "rin-tiny": "as dit-tiny, on a few latent tokens (about 4 M parameters)",
    "rin-small": "as dit-small, on a few latent tokens",
    "edm2-tiny": "as tiny, with the magnitude-preserving network (about 5 M parameters)",
    "edm2-small": "32 to 64 pixels with the magnitude-preserving network on one GPU",
    "demo": "as tiny, stopped as soon as the classes are plain to see",
    "small": "32 to 64 pixels on one GPU (about 40 M parameters)",
    "cifar-edm": "the CIFAR-10 training of Karras et al. 2022 (arXiv:2206.00364), 18 Heun steps",
    "ddpm": "the CIFAR-10 training of Ho et al. 2020 (arXiv:2006.11239), 1000 ancestral steps",
}

CASCADES = {
    "16-32-64": "64 pixels in half an hour on a CPU, in three stages (about 7 M parameters)",
    "latent-64": "64 pixels by way of 8 by 8 latents, in a quarter of an hour on a CPU",
    "latent-256": "256 pixels by way of 32 by 32 latents, on one GPU",
    "latent-256-decoder": "the same with a refiner of latents and a diffusion decoder",
    "64-256": "256 pixels on one GPU, in two stages",
}


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "image",
            "pictures of one size, grey or colour, with or without transparency",
            "difftool_image.modality:ImageModality",
            "difftool_image.options:ImageOptions",
            representations=("pixels",),
            recipe="tiny",
            request="difftool_image.options:ImageRequest",
            selection="difftool_image.options:ImageSelection",
            metrics=("patches", "colour"),
            inspection="difftool_image.check:ImageInspection",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [Spec("pixels", "bytes to numbers from -1 to 1", "difftool_image.pixels:Pixels")]


@hookimpl
def difftool_metrics() -> list[MetricSpec]:
    return [
        MetricSpec(
            "colour",
            "brightness, contrast, detail and saturation",
            "difftool_image.statistics:Colour",
        )
    ]


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_image:recipes/{name}.toml", modality="image")
        for name, text in RECIPES.items()
    ]


@hookimpl
def difftool_cascades() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_image:cascades/{name}.toml", modality="image")
        for name, text in CASCADES.items()
    ]


@hookimpl
def difftool_checks() -> list[CheckSpec]:
    return [
        CheckSpec(
            "channels",
            "red and blue swapped, where words name colours",
            "difftool_image.doctor:Channels",
            modalities=("image",),
        )
    ]
