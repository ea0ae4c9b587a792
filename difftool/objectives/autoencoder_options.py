"""Options of the objective autoencoder."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat

from ..nn.autoencoder.options import BottleneckOptions, CriticOptions


class AutoencoderOptions(CriticOptions, BottleneckOptions):
    """The network, the latents, and how errors count."""

    error: Literal["l1", "l2"] = Field(
        "l1", description="l1 is the mean absolute error, l2 the mean squared one"
    )
    gradient: NonNegativeFloat = Field(
        0.0, description="weight of the error of differences between neighbours: sharper edges"
    )
    spectral: NonNegativeFloat | Literal["auto"] = Field(
        "auto",
        description="weight of the error of spectra at several scales along the last axis; auto "
        "is 1 where the representation says that it oscillates, else 0",
        json_schema_extra={"metavar": "auto|WEIGHT"},
    )
    adversary: NonNegativeFloat = Field(
        0.0,
        description="weight of a critic that tells examples from reconstructions, relative to the "
        "other losses; 0 for no critic, 0.5 for sharper textures",
    )
    noise: NonNegativeFloat = Field(
        0.0,
        description="most noise that is added to latents in training, in their standard "
        "deviations: the decoder then bears what a diffusion model gets slightly wrong",
    )
    equivariance: NonNegativeFloat = Field(
        0.0,
        description="weight of the error of changed copies, made from latents that were changed in "
        "the same way: latents that are easier to diffuse",
    )
    equivariant_to: tuple[Literal["scale", "shift"], ...] = Field(
        ("scale", "shift"),
        min_length=1,
        description="changes of equivariance: a smaller scale, a shift by a part of a latent; each "
        "step takes one of them",
    )
    perceptual: NonNegativeFloat = Field(
        0.0,
        description="weight of the distance between examples and reconstructions in what features "
        "sees of them: shapes that are told apart more easily",
    )
    align: NonNegativeFloat = Field(
        0.0,
        description="weight of the alignment of latents with what features sees: latents that are "
        "easier to diffuse",
    )
    features: str = Field(
        "judge",
        description="what sees, for perceptual and align: judge, a network that learns on the same "
        "data, or a local folder of a pretrained network of transformers",
        json_schema_extra={"metavar": "judge|FOLDER"},
    )
    frozen: Literal["none", "encoder"] = Field(
        "none",
        description="encoder keeps the encoder, and with it the latents, and trains the decoder "
        "only, such as on clips; it needs train.init",
    )
