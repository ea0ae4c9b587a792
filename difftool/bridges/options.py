"""Settings of the built-in bridge."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from ..options import Options

Down = Literal["area", "every", "sinc"]
Up = Literal["linear", "nearest", "sinc"]


class ResampleOptions(Options):
    """An earlier stage that makes every n-th of the entries along some axes of the raw example (Ho et al. 2022, arXiv:2106.15282)."""

    factors: tuple[NonNegativeInt, ...] = Field(
        description="how many times fewer entries the earlier stage has, for each axis of a raw example; 1 or 0 keeps an axis as it is",
        min_length=1,
    )
    down: Down | tuple[Down, ...] = Field(
        "area", description="area means, every n-th entry, or sinc, which keeps a band of frequencies; one for all axes, or one each"
    )
    up: Up | tuple[Up, ...] = Field("linear", description="how what lies between is filled in; one for all axes, or one each")
    known: bool = Field(
        False,
        description="keep what is shown as it is and make what lies between alone, for down = every: shown entries then stand in the "
        "example itself, where networks make the most of them, and no noise can be added to them",
    )
    residual: bool = Field(
        False,
        description="make what the filled-in example lacks, at the scale that is measured of it, instead of the whole example: a stage "
        "learns faster what is faint, and keeps to what it is shown",
    )
    augment: NonNegativeFloat = Field(
        0.0,
        description="noise that training adds to what is shown, as sigma, at most: samples may then add some, which hides the faults of the "
        "earlier stage's examples",
    )
    blur: NonNegativeFloat = Field(
        0.0, description="width of the Gaussian that training blurs degraded examples with, at most, in their entries; each has its own"
    )
    compress: NonNegativeFloat = Field(
        0.0,
        description="strength at most of the compression that training puts degraded examples through, after blur: coefficients of blocks "
        "of 8 are rounded as JPEG does, 1 as at about its quality 50 and 5 at 10; each has its own",
    )
    crop: tuple[PositiveInt, ...] = Field(
        (), description="train on random parts of this many positions, for each axis of an encoded example after its channels; none for all"
    )
    rates: dict[str, NonNegativeInt] = Field(
        {},
        description="what the modality calls the rate along an axis, and the axis: stages must agree in it, and may differ in the axis' size",
    )

    @model_validator(mode="after")
    def _agreeing(self) -> ResampleOptions:
        for name, given in (("down", self.down), ("up", self.up)):
            if not isinstance(given, str) and len(given) != len(self.factors):
                raise ValueError(f"{name} names {len(given)} ways for {len(self.factors)} axes: give one for all, or one for each")
        if unlike := [axis for axis in self.axes() if self.way("up", axis) == "sinc" and self.way("down", axis) == "area"]:
            raise ValueError(f"up = sinc on axis {unlike[0]} puts entries where down = area has none: take down = sinc or every there")
        if self.known and (self.augment or self.residual or any(self.way("down", axis) != "every" for axis in self.axes())):
            raise ValueError(
                "known = true keeps entries that the earlier stage made: it takes down = every, augment = 0 and residual = false"
            )
        if beyond := [name for name, axis in self.rates.items() if axis >= len(self.factors)]:
            raise ValueError(f"rates.{beyond[0]} names axis {self.rates[beyond[0]]}, and there are {len(self.factors)}, counted from 0")
        return self

    def axes(self) -> list[int]:
        """The axes of a raw example that are resampled."""
        return [axis for axis, factor in enumerate(self.factors) if factor > 1]

    def way(self, name: str, axis: int) -> str:
        """``down`` or ``up`` of an axis."""
        given = getattr(self, name)
        return given if isinstance(given, str) else given[axis]
