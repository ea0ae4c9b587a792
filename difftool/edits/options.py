"""Settings of the built-in edits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveInt

from ..options import Options


class VaryOptions(Options):
    """SDEdit (Meng et al. 2022, arXiv:2108.01073)."""

    strength: float = Field(
        0.5,
        ge=0,
        le=1,
        description="share of the sampler's steps that are taken again: 0 changes nothing, 1 makes "
        "a new sample",
    )


class StitchedOptions(VaryOptions):
    """Regions under conditions of their own (Bar-Tal et al. 2023, arXiv:2302.08113)."""

    strength: float = Field(
        1.0,
        ge=0,
        le=1,
        description="share of the sampler's steps that are taken again: 1 makes what is selected "
        "anew, less keeps its layout",
    )
    regions: str = Field(
        "",
        description="conditions with shares of the last axes, such as 'class=A@0:0.5; "
        "class=B@0.5:1' for the left and the right half, or class=A@0:0.5,: for the upper one",
    )
    fade: float = Field(
        0.05, ge=0, le=1, description="share of an axis over which a region fades into the others"
    )


class InversionOptions(Options):
    """Inversion of Euler's method."""

    iterations: PositiveInt = Field(
        5, le=100, description="evaluations for each step of the inversion; more are more exact"
    )


class FillOptions(Options):
    """How what is made comes to fit what is kept."""

    method: Literal["auto", "guidance", "keep"] = Field(
        "auto",
        description="guidance follows the gradient of what is kept; keep only puts it back at each "
        "step, three times as fast; auto: keep where examples are known up to a motion, as "
        "points in space are, else guidance; a model that was trained with masks needs neither",
    )
    best_of: PositiveInt = Field(
        1,
        le=1000,
        description="number of fillings that are drawn; the result is the likeliest of them to the "
        "model",
    )


class LoopOptions(FillOptions):
    """An example that goes on where it ends."""

    width: float = Field(
        0.25,
        gt=0,
        le=1,
        description="share of the example, around its ends, that is made anew; 1 makes a new one of "
        "its size",
    )
    along: Literal["all", "first", "last"] = Field(
        "all",
        description="axes along which the example goes on: all that can, such as rows and columns, "
        "or the first or the last of them",
    )


class RemakeOptions(Options):
    """Edit-friendly inversion (Huberman-Spiegelglas et al. 2024, arXiv:2304.06140)."""

    strength: float = Field(
        0.7,
        gt=0,
        le=1,
        description="share of the sampler's steps that are taken again; less stays closer to the "
        "example",
    )


class InterpolateOptions(InversionOptions):
    """The way from one example to the next."""

    seeds: list[int] = Field(
        [],
        description="instead of files, the seeds between whose first samples the way leads, such "
        "as 3,7",
    )
    clip: bool = Field(
        False, description="write a clip of the results as well, where the kind of data has one"
    )


class RestoreOptions(Options):
    """What an example has suffered, and how the original is sought."""

    by: Literal["noise", "blur", "lower", "clip", "missing", "frames", "jpeg", "band"] = Field(
        "noise",
        description="what the file has suffered. noise; blur; lower: lost resolution; clip: too "
        "loud or too bright values were cut off; missing: the commonest value stands where "
        "something is missing; frames: dropped ones repeat those before them; jpeg: compression; "
        "band: high frequencies were cut off, as compression does",
    )
    amount: NonNegativeFloat = Field(
        0.0,
        description="of blur its standard deviation in entries, of lower the factor, of clip the "
        "largest value in model units, of jpeg the quality, of band the share of the highest "
        "frequency that is left; 0 estimates it",
    )
    method: Literal["projection", "guidance"] = Field(
        "projection",
        description="how the result is kept in agreement with the file: each estimate is projected "
        "(DDNM), or its gradient followed (DPS), which is slower",
    )
    average: PositiveInt = Field(
        1, le=1000, description="number of originals that are drawn; the result is their mean"
    )
    level: NonNegativeFloat = Field(
        0.0,
        description="standard deviation of the noise in the file, in model units (data of unit "
        "range are about 0.5); 0 estimates it",
    )
    sharp: bool = Field(
        False,
        description="draw one possible original, with all detail, instead of the mean of all of "
        "them, whose error is least",
    )
