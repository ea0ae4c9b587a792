"""Settings of the core's bridges."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from ..options import Options

PENDING = "stage:"
"""Begins the name of a stage of a cascade in place of a path: it may not be trained yet."""
Down = Literal["area", "every", "sinc"]
Up = Literal["linear", "nearest", "sinc"]


class EmbeddingBridgeOptions(Options):
    """The earlier stage makes embeddings: it is a prior."""

    path: str = Field(
        "",
        description="folder of the network that embeds examples in training; the one of the prior",
    )
    max_aug_level: NonNegativeFloat = Field(
        0.0,
        description="training adds noise of up to this sigma to embeddings, whose root mean square is "
        "1; samples may then add some too, which hides faults of the prior",
    )


class ResampleOptions(Options):
    """The earlier stage makes examples with fewer entries along some axes.

    Ho et al. 2022, arXiv:2106.15282.
    """

    renamed: ClassVar = {"augment": "max_aug_level", "known": "observed"}

    factors: tuple[NonNegativeInt, ...] = Field(
        description="for each axis of a raw example, how many times fewer entries the earlier "
        "stage has; 1 or 0 keeps an axis as it is",
        min_length=1,
    )
    down: Down | tuple[Down, ...] = Field(
        "area",
        description="how entries are reduced: area means, every n-th entry, or sinc, which keeps "
        "a band of frequencies; one for all axes, or one for each",
    )
    up: Up | tuple[Up, ...] = Field(
        "linear",
        description="how the entries in between are interpolated; one for all axes, or one for "
        "each",
    )
    observed: bool = Field(
        False,
        description="keep the earlier stage's entries as they are and make only those in between; "
        "needs down = every. They then stand in the noisy example itself, where the network uses "
        "them best, and no noise can be added to them",
    )
    residual: bool = Field(
        False,
        description="make the difference from the interpolated example, at its measured scale, "
        "instead of the whole example: a stage learns faint detail faster and stays closer to its "
        "input",
    )
    max_aug_level: NonNegativeFloat = Field(
        0.0,
        description="noise conditioning augmentation: training adds noise of up to this sigma to "
        "the stage's input; samples may then add some too, which hides faults of the earlier "
        "stage's examples",
    )
    blur: NonNegativeFloat = Field(
        0.0,
        description="training blurs degraded examples with a Gaussian of up to this width, in "
        "their entries; each example has its own width",
    )
    compress: NonNegativeFloat = Field(
        0.0,
        description="training compresses degraded examples with up to this strength, after blur: "
        "coefficients of blocks of 8 are rounded as in JPEG; 1 is about its quality 50, and 5 "
        "about 10; each example has its own strength",
    )
    crop: tuple[PositiveInt, ...] = Field(
        (),
        description="train on random crops of these sizes, one for each axis of an encoded "
        "example after its channels; empty for no crops",
    )
    rates: dict[str, NonNegativeInt] = Field(
        {},
        description="the modality's name for the rate along an axis, and that axis: stages must "
        "agree in the rate, and may differ in the axis's size",
    )

    @model_validator(mode="after")
    def _agreeing(self) -> ResampleOptions:
        for name, given in (("down", self.down), ("up", self.up)):
            if not isinstance(given, str) and len(given) != len(self.factors):
                raise ValueError(
                    f"{name} names {len(given)} methods for {len(self.factors)} axes: give one "
                    "for all, or one for each"
                )
        if unlike := [
            axis
            for axis in self.axes()
            if self.way("up", axis) == "sinc" and self.way("down", axis) == "area"
        ]:
            raise ValueError(
                f"up = sinc on axis {unlike[0]} puts entries where down = area has none: use down "
                "= sinc or every on that axis"
            )
        if self.observed and (
            self.max_aug_level
            or self.residual
            or any(self.way("down", axis) != "every" for axis in self.axes())
        ):
            raise ValueError(
                "observed = true keeps the earlier stage's entries as they are, so it needs down "
                "= every, max_aug_level = 0 and residual = false"
            )
        if beyond := [name for name, axis in self.rates.items() if axis >= len(self.factors)]:
            raise ValueError(
                f"rates.{beyond[0]} names axis {self.rates[beyond[0]]}, and there are "
                f"{len(self.factors)}, counted from 0"
            )
        return self

    def axes(self) -> list[int]:
        """The axes of a raw example that are resampled."""
        return [axis for axis, factor in enumerate(self.factors) if factor > 1]

    def way(self, name: str, axis: int) -> str:
        """``down`` or ``up`` of an axis."""
        given = getattr(self, name)
        return given if isinstance(given, str) else given[axis]


class ReconstructOptions(Options):
    """The earlier stage's examples come out of the decoder of an autoencoder."""

    model: str = Field(
        "",
        description="run or model file of that autoencoder, or stage:NAME in a cascade file; "
        "training reads it, sampling does not",
    )
    residual: bool = Field(
        False,
        description="make the difference from the reconstruction, at its measured scale, instead "
        "of the whole example",
    )
    max_aug_level: NonNegativeFloat = Field(
        0.0,
        description="noise conditioning augmentation: training adds noise of up to this sigma to "
        "the reconstruction; samples may then add some too, which hides faults of latents that "
        "were sampled",
    )
    crop: tuple[PositiveInt, ...] = Field(
        (),
        description="train on random crops of these sizes, one for each axis of an encoded "
        "example after its channels; empty for no crops",
    )
