"""Settings of optimizers.

The settings of a plugin's optimizer are a subclass of ``OptimizerOptions``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ..options import Options

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(Options):
    """The settings of every optimizer: the learning rate, its decay, and weight decay."""

    lr: PositiveFloat = Field(2e-4, description="learning rate after warm-up")
    weight_decay: NonNegativeFloat = Field(
        0.0, description="decoupled weight decay of matrices and kernels"
    )
    warmup: NonNegativeInt = Field(
        0, le=10**9, description="examples over which the learning rate rises linearly"
    )
    decay: Literal["constant", "cosine", "linear", "inverse-sqrt"] = Field(
        "constant", description="how the learning rate falls after the warm-up"
    )
    decay_start: NonNegativeInt = Field(
        0, le=10**9, description="examples seen before an inverse-sqrt decay begins"
    )
    cycles: PositiveInt = Field(
        1, le=1000, description="times that a cosine or linear decay begins anew, evenly spaced"
    )

    @model_validator(mode="after")
    def _begun(self) -> OptimizerOptions:
        if self.decay == "inverse-sqrt" and not self.decay_start:
            raise ValueError(
                "decay = inverse-sqrt needs decay_start. Set it to the number of examples after "
                "which the rate falls as 1 / sqrt(seen / decay_start)"
            )
        return self


class AdamwOptions(OptimizerOptions):
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101)."""

    obsolete = ("momentum",)

    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.999), description="decay of the first and second moments"
    )
    eps: PositiveFloat = Field(1e-8, description="added to the root of the second moment")


class MuonOptions(OptimizerOptions):
    """Muon (Jordan et al. 2024) for matrices, and AdamW for everything else."""

    momentum: Decay = Field(0.95, description="decay of the moving average of gradients")
    betas: tuple[Decay, Decay] = Field(
        (0.9, 0.999),
        description="decay of the first and second moments of parameters that are not matrices",
    )
    eps: PositiveFloat = Field(
        1e-8,
        description="added to the root of the second moment of parameters that are not matrices",
    )
