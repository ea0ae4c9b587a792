"""The parts of this plugin, as specs: their code is imported only when it is used."""

from __future__ import annotations

from difftool import CheckSpec, MetricSpec, ModalitySpec, RecipeSpec, Spec, hookimpl

RECIPES = {
    "autoencoder": "17 frames of 32 pixels as 9 of 8 by 8 latents, that see no later frame",
    "tiny": "sixteen frames of 32 pixels in half an hour on a CPU (about 11 M parameters)",
    "dit-tiny": "as tiny, with the diffusion transformer (about 4 M parameters)",
    "dit-small": (
        "sixteen frames of 64 pixels with the diffusion transformer on one GPU (about 33 "
        "M parameters)"
    ),
    "demo": (
        "as tiny, on bouncing shapes of an asked colour and number, stopped as soon as they bounce"
    ),
    "moving-mnist": (
        "ten frames seen, ten foreseen, at 64 pixels, on one GPU (as in Srivastava et "
        "al. 2015, arXiv:1502.04681)"
    ),
    "small": "sixteen frames of 64 pixels on one GPU (about 66 M parameters)",
}


@hookimpl
def difftool_modalities() -> list[ModalitySpec]:
    return [
        ModalitySpec(
            "video",
            "clips of one size and rate, from videos of any length, GIFs or numbered frames",
            "difftool_video.modality:VideoModality",
            "difftool_video.options:VideoOptions",
            representations=("frames",),
            recipe="tiny",
            request="difftool_video.options:VideoRequest",
            selection="difftool_video.options:VideoSelection",
            metrics=("patches", "colour", "motion"),
            inspection="difftool_video.check:VideoInspection",
            facts="difftool_video.options:VideoFacts",
        )
    ]


@hookimpl
def difftool_representations() -> list[Spec]:
    return [
        Spec(
            "frames",
            "bytes to numbers from -1 to 1, frame by frame",
            "difftool_video.frames:Frames",
        )
    ]


@hookimpl
def difftool_backbones() -> list[Spec]:
    return [
        Spec(
            "unet3d",
            "the U-Net on frames, with layers over time between its blocks",
            "difftool_video.unet3d:UNet3d",
            "difftool_video.network_options:UNet3dOptions",
        )
    ]


@hookimpl
def difftool_metrics() -> list[MetricSpec]:
    return [
        MetricSpec(
            "motion",
            "how much clips move, how smoothly, and how they flicker",
            "difftool_video.statistics:MotionStatistics",
        )
    ]


@hookimpl
def difftool_recipes() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_video:recipes/{name}.toml", modality="video")
        for name, text in RECIPES.items()
    ]


CASCADES = {
    "latent": "17 frames of 32 pixels by way of latents, in half an hour on a CPU",
    "frames-x4": (
        "every fourth frame, then all: 16 of 32 pixels, in half an hour with a core for each stage"
    ),
    "frames-x4-pixels-x2": "every fourth frame, then all, then twice the pixels",
    "pixels-x2": "clips of 32 pixels, then of 64",
}


@hookimpl
def difftool_cascades() -> list[RecipeSpec]:
    return [
        RecipeSpec(name, text, f"difftool_video:cascades/{name}.toml", modality="video")
        for name, text in CASCADES.items()
    ]


@hookimpl
def difftool_checks() -> list[CheckSpec]:
    return [
        CheckSpec(
            "motion",
            "clips in which nothing moves, frames out of order",
            "difftool_video.doctor:Motion",
            modalities=("video",),
        )
    ]
