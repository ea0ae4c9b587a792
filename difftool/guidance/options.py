"""Settings of the built-in guidance."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from ..options import Options


class GuidanceOptions(Options):
    """Classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598)."""

    scale: NonNegativeFloat = Field(
        1.0,
        description="1 samples the conditional model; more follows the condition more closely; 0 "
        "ignores it",
    )
    scales: dict[str, NonNegativeFloat] = Field(
        {},
        description="scales of single conditions by name, each added to those before it; the "
        "others have the common scale",
    )
    growth: Literal["constant", "linear", "cosine"] = Field(
        "constant",
        description="how the scale grows from noise to data; its mean is the scale (Wang et al. "
        "2024)",
    )
    low: NonNegativeFloat = Field(0.0, description="no guidance at or below this sigma")
    high: PositiveFloat | None = Field(None, description="no guidance above this sigma")
    rescale: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share by which the guided estimate's spread is brought back (Lin et al. 2024)",
    )
    clip: NonNegativeFloat | Literal["auto"] = Field(
        "auto",
        description="clamp the estimate of x0 to this range around 0; 0 never clamps; auto keeps "
        "it where the data lie, at noise levels at which the process needs that (eps)",
        json_schema_extra={"metavar": "auto|X"},
    )


class FoldedOptions(Options):
    """Guidance that the network is told (Meng et al. 2023, arXiv:2210.03142)."""

    scale: NonNegativeFloat = Field(
        1.0, description="1 samples the conditional model; more follows the condition more closely"
    )


class CfgppOptions(Options):
    """CFG++ (Chung et al. 2024, arXiv:2406.08070)."""

    scale: float = Field(
        0.6, ge=0, le=1, description="0 samples the unconditional model; 1 follows the condition"
    )


class ApgOptions(Options):
    """Adaptive projected guidance (Sadat et al. 2024, arXiv:2410.02416)."""

    scale: NonNegativeFloat = Field(
        1.0, description="1 samples the conditional model; more follows the condition more closely"
    )
    parallel: NonNegativeFloat = Field(
        0.0, description="share of the guidance along the estimate, which saturates it, that stays"
    )
    norm: NonNegativeFloat = Field(
        0.0,
        description="greatest root mean square of the guidance before it is scaled; 0 has no bound",
    )
    momentum: float = Field(
        -0.5, gt=-1, lt=1, description="share of the last step's guidance to add; less than 0 damps"
    )


class ThresholdOptions(Options):
    """Dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, Sec. 2.3)."""

    percentile: float = Field(
        0.995, gt=0, le=1, description="share of the absolute values that an example keeps"
    )
    bound: PositiveFloat = Field(
        1.0, description="range of the data around 0, in model units; smaller estimates stay"
    )


class AutoguidanceOptions(Options):
    """Guidance by a worse version of the model (Karras et al. 2024, arXiv:2406.02507)."""

    needs: ClassVar = {
        "model": "It needs a worse version of the model. Name a file in RUN/snapshots, which `difftool "
        "train` writes with --set ema.power=[0.05,0.1] --set ema.snapshot_every=N, or a smaller run; "
        "`difftool tune guidance RUN` finds the one that suits."
    }

    scale: NonNegativeFloat = Field(
        2.0, description="1 samples the model; more goes further from the worse version"
    )
    model: str = Field(
        "",
        description="the worse version: a run, a model file, or a file in the folder snapshots of "
        "this run",
    )
    ema: PositiveFloat | None = Field(
        None, description="relative width of the average of its weights; shorter is worse"
    )
    low: NonNegativeFloat = Field(0.0, description="no guidance at or below this sigma")
    high: PositiveFloat | None = Field(None, description="no guidance above this sigma")


class CompositionOptions(Options):
    """A product of separately trained models (Liu et al. 2022, arXiv:2206.01714)."""

    needs: ClassVar = {
        "models": 'Name the other factors of the product: runs or model files, such as ["runs/other"].'
    }

    models: tuple[str, ...] = Field(
        (), description="runs or model files, each a factor of the product"
    )
    weights: tuple[float, ...] = Field(
        (),
        description="exponents: this model's, then one for each of the others; none is equal "
        "weights that sum to 1",
    )

    @model_validator(mode="after")
    def _matching(self) -> Self:
        if self.weights and len(self.weights) != len(self.models) + 1:
            raise ValueError(
                f"weights must name {len(self.models) + 1} numbers, one for this model and one for "
                f"each of models, not {len(self.weights)}"
            )
        return self


class ReconstructionOptions(Options):
    """Reconstruction guidance by given entries (Ho et al. 2022; Song et al. 2023)."""

    scale: NonNegativeFloat = Field(
        1.0, description="1 is right for Gaussian data; 0 has no guidance"
    )
    spread: PositiveFloat = Field(0.5, description="standard deviation of the data in model units")
    noise: NonNegativeFloat = Field(
        0.0, description="standard deviation of the error of the given entries, in model units"
    )


class StitchOptions(Options):
    """Regions under conditions of their own (Bar-Tal et al. 2023, arXiv:2302.08113)."""

    needs: ClassVar = {"regions": 'Name the regions, such as ["class=A@0:0.5", "class=B@0.5:1"].'}

    regions: tuple[str, ...] = Field(
        (),
        description="conditions with shares of the last axes, such as class=cat@0:0.5 for the first "
        "half of the columns, or class=cat@0:0.5,: for that of the rows",
    )
    soft: float = Field(
        0.05, ge=0, le=1, description="share of an axis over which a region fades into the others"
    )


class ClassifierGuidanceOptions(Options):
    """Classifier guidance (Dhariwal & Nichol 2021, arXiv:2105.05233)."""

    needs: ClassVar = {
        "model": "It needs a classifier. Train one on the same data with `difftool train … --objective "
        "classifier`, and name its run."
    }

    scale: NonNegativeFloat = Field(
        1.0, description="1 samples p(x | condition); more follows the classifier more closely"
    )
    model: str = Field(
        "", description="run or model file of a classifier: difftool train --objective classifier"
    )
    cond: dict[str, str] = Field(
        {},
        description="conditions and their values, for a model without them, such as {class = "
        '"A"}; others are those that samples are asked for',
    )
    low: NonNegativeFloat = Field(0.0, description="no guidance at or below this sigma")
    high: PositiveFloat | None = Field(None, description="no guidance above this sigma")


class PerturbedOptions(Options):
    """Perturbed-attention guidance (Ahn et al. 2024, arXiv:2403.17377)."""

    scale: NonNegativeFloat = Field(
        1.0,
        description="0 samples the model; more goes further from what it makes without attention",
    )
    layers: Literal["middle", "all"] = Field(
        "middle", description="self-attention layers to perturb: the middle third, or all"
    )
    low: NonNegativeFloat = Field(0.0, description="no guidance at or below this sigma")
    high: PositiveFloat | None = Field(None, description="no guidance above this sigma")
