"""Settings of the engine: the config tables ``data``, ``train``, ``ema``, ``guidance`` and ``sample``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from .options import Options


def _tile(value: Any) -> Any:
    """``"64,64"``, as it is typed, or ``[64, 64]`` -> (64, 64); ``64`` -> (64,)."""
    if isinstance(value, str) and all(part.strip().isdigit() for part in value.split(",")):
        return tuple(int(part) for part in value.split(","))
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if isinstance(value, str) and value not in ("auto", "off"):
        raise ValueError(f"{value} is no size of tiles: take auto, off, or a whole number for each axis, such as 64,64")
    return tuple(value) if isinstance(value, list) else value


NoiseSource = Literal["fresh", "brownian"]

Tile = Annotated[Literal["auto", "off"] | tuple[PositiveInt, ...], BeforeValidator(_tile)]


class DataOptions(Options):
    """Where the examples come from."""

    path: str = Field("", description="folder or file to train on; empty for the modality's built-in demo set")
    max_bad: float = Field(
        0.1,
        ge=0,
        le=1,
        description="largest share of unusable files that is skipped; a few are skipped whatever their share, unless this is 0",
    )
    bucket: NonNegativeInt = Field(
        0,
        description="batches of like size: the examples of so many are sorted by size together, which saves padding; 0 takes them as they come",
    )


class TrainOptions(Options):
    """The loop."""

    steps: PositiveInt = Field(10_000, description="optimizer steps")
    batch: PositiveInt = Field(64, description="examples per optimizer step, over all devices")
    accumulate: PositiveInt = Field(1, description="parts a batch is split into, to fit memory; the gradient is that of the whole batch")
    init: str = Field(
        "",
        description="a run or model file to start from: its weights where it has the same part, and, where nothing else is said, the "
        "settings of its network",
        json_schema_extra={"metavar": "RUN|MODEL"},
    )
    seed: NonNegativeInt = Field(0, description="names every random draw of the run")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps, …")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="what the network computes in; auto is bf16 where the device is fast at it, else fp32"
    )
    compile: Literal["auto", "on", "off"] = Field("auto", description="torch.compile the network; auto compiles on CUDA devices")
    channels_last: Literal["auto", "on", "off"] = Field("auto", description="memory format of convolutions; auto is on for CUDA devices")
    checkpointing: bool = Field(False, description="recompute activations in the backward pass: less memory, about a third slower")
    clip: NonNegativeFloat = Field(1.0, description="largest gradient norm; 0 never clips")
    log_every: PositiveInt = Field(50, description="steps between lines of metrics, and 1, 2, 4, 8, … before the first; on an accelerator the loss is read only then")
    save_every: PositiveInt = Field(1000, description="steps between checkpoints")
    keep: PositiveInt = Field(2, description="checkpoints kept; older ones are removed after a newer one is safe")
    preview_every: NonNegativeInt = Field(0, description="steps between sheets of preview samples; 0 makes one at the end only")
    preview: NonNegativeInt = Field(16, description="samples in a preview sheet; 0 makes none")

    @model_validator(mode="after")
    def _divisible(self) -> TrainOptions:
        if self.batch % self.accumulate:
            raise ValueError(f"batch {self.batch} cannot be split into accumulate = {self.accumulate} equal parts")
        return self


class EmaOptions(Options):
    """Averages of the weights, several at once. Samples use the first one named unless told otherwise."""

    halflife: tuple[PositiveFloat, ...] = Field((20_000.0,), description="half-lives in examples of exponential averages")
    rampup: NonNegativeFloat = Field(0.05, description="a half-life is at most this share of the examples seen; 0 for no limit")
    power: tuple[PositiveFloat, ...] = Field((), description="relative widths of power-function averages (EDM2), e.g. [0.05, 0.1]")
    snapshot_every: NonNegativeInt = Field(
        0, description="steps between snapshots of the power averages, from which any width can be made after training; 0 for none"
    )

    @model_validator(mode="after")
    def _some(self) -> EmaOptions:
        if any(not 0.001 < width < 0.28 for width in self.power):
            raise ValueError("power widths lie between 0.001 and 0.28 (Karras et al. 2024, Eq. 127)")
        if not self.halflife and not self.power:
            raise ValueError("no average is asked for, and samples are made from one: give a halflife, or power widths")
        for which, values in (("halflife", self.halflife), ("power", self.power)):
            if len({f"{value:g}" for value in values}) < len(values):
                raise ValueError(f"{which} = {list(values)} asks for the same average twice; they are told apart by six digits")
        if self.snapshot_every and len(self.power) < 2:
            raise ValueError("snapshots need two power widths, such as power = [0.05, 0.1], to span the widths between them")
        return self


class SampleOptions(Options):
    """Defaults of ``difftool sample``."""

    renamed: ClassVar = {"rounds": "resampling_steps"}

    steps: PositiveInt = Field(25, description="steps of the sampler")
    resampling_steps: PositiveInt = Field(
        1,
        description="how often each step is taken, with noise in between (RePaint): with more, the new parts of a sample agree better with "
        "the given parts, at as many times the cost",
    )
    noise: NoiseSource = Field(
        "fresh",
        description="what stochastic samplers draw from. fresh: new noise at every step; brownian: one path of noise for each sample, "
        "the same at any number of steps, which takes about 17 draws a step instead of one",
    )
    batch: PositiveInt = Field(
        64, description="samples made at once, fewer where they are larger than what was trained on; the samples do not depend on it"
    )
    tile: Tile = Field(
        "auto",
        description="largest part of a sample that the network is given at once: its positions along each axis of an encoded example after "
        "the channels; larger samples are made in overlapping tiles, without seams. auto: what a stage that refines was trained on; off: no limit",
        json_schema_extra={"metavar": "auto|off|N,…"},
    )
    overlap: float = Field(0.25, ge=0, le=0.9, description="share of a tile that the next one covers too, at least")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a stage is trained and sampled with, validated: the tables of its configuration that name no part."""

    train: TrainOptions
    ema: EmaOptions
    sample: SampleOptions
