"""Networks and optimizers."""

from __future__ import annotations

from ..hookspecs import hookimpl
from ..spec import Spec


def _unet(name: str, summary: str, options: str) -> Spec:
    code = "difftool.nn.residual_unet:ResidualUNet"
    return Spec(name, summary, code, f"difftool.nn.options:{options}Options")


def _transformer(name: str, summary: str, code: str) -> Spec:
    home = "difftool.nn.transformer"
    return Spec(name, summary, f"{home}.{name}:{code}", f"{home}.options:{code}Options")


def _optimizer(name: str, summary: str, options: str) -> Spec:
    return Spec(
        name,
        summary,
        f"difftool.optimizers.{name}:{name}",
        f"difftool.optimizers.options:{options}",
    )


@hookimpl
def difftool_backbones() -> list[Spec]:
    return [
        Spec(
            "unet",
            "U-Net with attention, in one, two or three dimensions",
            "difftool.nn.unet:UNet",
            "difftool.nn.options:UNetOptions",
        ),
        _unet("ddpmpp", "the U-Net DDPM++ of EDM (Song et al. 2021)", "ResidualUNet"),
        _unet("adm", "the U-Net ADM (Dhariwal & Nichol 2021)", "Adm"),
        Spec(
            "edm2",
            "magnitude-preserving U-Net (Karras et al. 2024)",
            "difftool.nn.edm2:Edm2",
            "difftool.nn.options:Edm2Options",
        ),
        _transformer("dit", "diffusion transformer over patches (Peebles & Xie 2023)", "DiT"),
        _transformer("uvit", "transformer with long skips (Bao et al. 2022)", "UViT"),
        _transformer(
            "mmdit",
            "transformer with a stream for the condition's tokens (Esser et al. 2024)",
            "MMDiT",
        ),
        _transformer(
            "rin",
            "latent tokens that read from patches and write to them (Jabri et al. 2022)",
            "RIN",
        ),
    ]


@hookimpl
def difftool_optimizers() -> list[Spec]:
    return [
        _optimizer(
            "adamw", "Adam with decoupled weight decay (Loshchilov & Hutter 2019)", "AdamwOptions"
        ),
        _optimizer(
            "muon",
            "orthogonal updates of matrices (Jordan et al. 2024): fewer steps, each slightly slower",
            "MuonOptions",
        ),
    ]
