"""Settings of the tables ``data``, ``train``, ``ema``, ``guidance`` and ``sample``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from .options import Options


def _tile(value: Any) -> Any:
    """``"64,64"`` or ``[64, 64]`` -> (64, 64); ``64`` -> (64,)."""
    if isinstance(value, str) and all(part.strip().isdigit() for part in value.split(",")):
        return tuple(int(part) for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str) and value not in ("auto", "off"):
        raise ValueError(
            f"{value} is not a tile size. Use auto, off, or a whole number for each axis, such as "
            "64,64"
        )
    return tuple(value) if isinstance(value, list) else value


NoiseSource = Literal["fresh", "brownian"]

Tile = Annotated[Literal["auto", "off"] | tuple[PositiveInt, ...], BeforeValidator(_tile)]


class DataOptions(Options):
    """Where the examples come from."""

    path: str = Field(
        "", description="folder or file to train on; empty for the modality's built-in demo set"
    )
    max_bad: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest share of unusable files that is skipped; a few are always skipped, "
        "unless this is 0",
    )
    bucket: NonNegativeInt = Field(
        0,
        le=10**6,
        description="number of batches whose examples are sorted by size together, which saves "
        "padding; 0 keeps the random order",
    )
    holdout: Literal["auto"] | Annotated[float, Field(ge=0, le=0.5)] = Field(
        "auto",
        description="share of the examples that is not trained on, so that the loss on them can be "
        "measured; auto is a twentieth of 800 or more; 0 trains on all",
    )

    @classmethod
    def migrate(cls, saved: dict[str, Any]) -> dict[str, Any]:
        # runs that were begun before this setting existed are trained on all examples
        return {"holdout": 0.0, **saved}


class TrainOptions(Options):
    """The training loop."""

    steps: PositiveInt = Field(10_000, le=10**9, description="optimizer steps")
    batch: PositiveInt = Field(
        64, le=65_536, description="examples per optimizer step, over all devices"
    )
    accumulate: PositiveInt = Field(
        1,
        le=2**20,
        description="number of parts into which a batch is split to save memory; the gradient is "
        "that of the whole batch",
    )
    init: str = Field(
        "",
        description="run or model file to start from: its weights for equal parts, and the "
        "settings of its network unless they are set",
        json_schema_extra={"metavar": "RUN|MODEL"},
    )
    seed: NonNegativeInt = Field(
        0, le=2**63 - 1, description="seed of every random draw of the run"
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps, …")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto",
        description="number format of the network's computations; auto is bf16 if the device is "
        "fast at it, else fp32",
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto", description="torch.compile the network; auto compiles on CUDA devices"
    )
    capture: Literal["auto", "on", "off"] = Field(
        "auto",
        description="record the training step as CUDA graphs and replay them, so that the device "
        "does not wait for Python; auto and on do it where it is possible",
    )
    shard: Literal["auto", "on", "off"] = Field(
        "auto",
        description="with several devices, let each hold a part of the weights, gradients, "
        "optimizer state and averages (FSDP2); auto does it where they would fill more than half "
        "of a device's memory",
    )
    channels_last: Literal["auto", "on", "off"] = Field(
        "auto",
        description="use the channels-last memory format for convolutions; auto is on for CUDA "
        "devices",
    )
    checkpointing: bool = Field(
        False,
        description="recompute activations in the backward pass, which saves memory and takes "
        "about a third longer",
    )
    self_conditioning: bool = Field(
        False,
        description="show the network its own estimate of the step before, in training for half "
        "of the examples; a step takes about a sixth longer",
    )
    drop_all: float = Field(
        0.0,
        ge=0,
        le=1,
        description="probability that training leaves all conditions open together, beside the "
        "dropout of each; guidance of several conditions learns from it",
    )
    mask: Literal["none", "random"] = Field(
        "none",
        description="random: half of the examples have random parts that the network is given, "
        "with their mask as further channels, so that difftool edit fills better",
    )
    clip: NonNegativeFloat = Field(
        1.0, description="largest gradient norm; larger ones are clipped; 0 never clips"
    )
    log_every: PositiveInt = Field(
        50,
        le=10**9,
        description="steps between lines of metrics; the first lines come at steps 1, 2, 4, 8, …; "
        "on an accelerator the loss is read only then",
    )
    save_every: PositiveInt = Field(1000, le=10**9, description="steps between checkpoints")
    keep: PositiveInt = Field(
        2,
        le=10**6,
        description="number of checkpoints to keep; older ones are removed after a newer one is "
        "saved",
    )
    evaluate_every: Literal["auto"] | NonNegativeInt = Field(
        "auto",
        description="steps between measurements of the loss by noise level, on held-out and on "
        "training examples; auto is as often as costs 3 % of the time; 0 never",
    )
    best: bool | str = Field(
        False,
        description="keep the best model as best.safetensors: with the lowest loss on held-out "
        "examples (true), or by a metric of samples, such as frechet, -kernel.kid or "
        "+agreement.class_right; measured as evaluate_every says",
    )
    preview_every: NonNegativeInt = Field(
        0, le=10**9, description="steps between previews; 0 makes one at the end only"
    )
    preview: NonNegativeInt = Field(
        16, le=10_000, description="number of samples in a preview; 0 makes no preview"
    )

    @model_validator(mode="after")
    def _divisible(self) -> TrainOptions:
        if self.batch % self.accumulate:
            raise ValueError(
                f"batch {self.batch} cannot be split into accumulate = {self.accumulate} equal "
                "parts"
            )
        return self


class EmaOptions(Options):
    """Averages of the weights. Sampling uses the first one unless another is chosen."""

    halflife: tuple[PositiveFloat, ...] = Field(
        (20_000.0,), description="half-lives of exponential averages, in examples"
    )
    rampup: NonNegativeFloat = Field(
        0.05, description="largest half-life, as a share of the examples seen; 0 for no limit"
    )
    power: tuple[PositiveFloat, ...] = Field(
        (), description="relative widths of power-function averages (EDM2), e.g. [0.05, 0.1]"
    )
    snapshot_every: NonNegativeInt = Field(
        0,
        le=10**9,
        description="steps between snapshots of the power averages, which give an average of any "
        "width after training; 0 for none",
    )

    @model_validator(mode="after")
    def _some(self) -> EmaOptions:
        if any(not 0.001 < width < 0.28 for width in self.power):
            raise ValueError(
                "a power width is not between 0.001 and 0.28. Choose widths in this range (Karras "
                "et al. 2024, Eq. 127)"
            )
        if not self.halflife and not self.power:
            raise ValueError(
                "there is no average of the weights. Set halflife or power: samples are made from "
                "an average"
            )
        for which, values in (("halflife", self.halflife), ("power", self.power)):
            if len({f"{value:g}" for value in values}) < len(values):
                raise ValueError(
                    f"{which} = {list(values)} names the same average twice. Remove one: averages "
                    "are named by six digits"
                )
        if self.snapshot_every and len(self.power) < 2:
            raise ValueError(
                "snapshots need two power widths. Set for example power = [0.05, 0.1]: other "
                "widths are computed from both"
            )
        return self


class SampleOptions(Options):
    """Defaults of ``difftool sample``."""

    renamed: ClassVar = {"rounds": "resampling_steps"}

    steps: PositiveInt = Field(25, le=100_000, description="steps of the sampler")
    resampling_steps: PositiveInt = Field(
        1,
        le=1_000,
        description="number of times that each step is taken, with noise in between (RePaint); "
        "more makes new parts of a sample agree better with the given parts, and costs as many "
        "times more",
    )
    noise: NoiseSource = Field(
        "fresh",
        description="noise of stochastic samplers. fresh: new noise at every step; brownian: one "
        "path of noise for each sample, which is the same at any number of steps and takes about "
        "17 draws a step instead of one",
    )
    batch: PositiveInt = Field(
        64,
        le=65_536,
        description="number of samples made at once; fewer if they are larger than the training "
        "examples; the samples depend on it in their last bits only",
    )
    tile: Tile = Field(
        "auto",
        description="largest size of the network's input along each axis of an encoded example "
        "after the channels; larger samples are made in overlapping tiles, without seams. auto: "
        "the training size of a stage that refines; off: no limit",
        json_schema_extra={"metavar": "auto|off|N,…"},
    )
    overlap: float = Field(
        0.25, ge=0, le=0.9, description="smallest share of a tile that the next tile covers too"
    )
    compile: Literal["auto", "on", "off"] = Field(
        "auto",
        description="torch.compile the network; auto compiles on CUDA devices where it is evaluated "
        "often enough to repay it",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of training and sampling: the validated tables that name no part."""

    train: TrainOptions
    ema: EmaOptions
    sample: SampleOptions
