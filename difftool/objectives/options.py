"""Options of the objectives."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from ..options import Options


class ConsistencyOptions(Options):
    """How the gap between the two levels of a pair shrinks, and how errors count."""

    q: float = Field(2.0, gt=1, description="factor by which each stage shrinks the gap")
    stages: PositiveInt = Field(
        4,
        le=20,
        description="stages of equal length in a run; the gap shrinks after each. Take 8 for runs "
        "of many thousand steps",
    )
    k: NonNegativeFloat = Field(
        8.0, description="the gap of low noise levels is wider by up to 1 + k / 2"
    )
    b: PositiveFloat = Field(
        1.0, description="how fast that widening ends as the noise level rises"
    )
    c: PositiveFloat = Field(
        0.1,
        description="root mean square error of an example below which the loss is a squared "
        "error; above it the loss is the error itself",
    )


class VarianceOptions(Options):
    """The chain of steps whose variances are learned."""

    levels: PositiveInt = Field(
        1000, ge=2, description="steps of the chain, evenly spaced in the schedule's time"
    )


class HybridOptions(VarianceOptions):
    """Learned variances beside the loss of denoising (Nichol & Dhariwal 2021)."""

    weight: NonNegativeFloat = Field(
        0.001, description="weight of the variational bound, which trains the variances only"
    )


class VlbOptions(VarianceOptions):
    """The variational bound alone (Nichol & Dhariwal 2021)."""

    history: PositiveInt = Field(
        10, le=1000, description="losses of each time that are kept to draw times by importance"
    )
    floor: float = Field(
        0.001, gt=0, le=1, description="share of the draws that is uniform over the times"
    )


class TaughtOptions(Options):
    """The run that is learnt from."""

    needs: ClassVar = {
        "teacher": "Name a trained run there, or use `difftool distill RUN`, which does so: this "
        "objective learns from another model."
    }

    teacher: str = Field(
        "",
        description="run or model file that is learnt from; difftool distill sets it",
        json_schema_extra={"metavar": "RUN|MODEL"},
    )
    checksum: str = Field(
        "",
        description="hash of the teacher's model file, which difftool distill sets: another file "
        "in its place is refused; empty to take any",
    )
    hold: bool = Field(
        False,
        description="keep a copy of the teacher in each checkpoint, so that a stopped run resumes "
        "without its file; checkpoints are larger by it",
    )
    guidance: NonNegativeFloat = Field(
        1.0,
        description="scale of the teacher's classifier-free guidance, which the student learns with "
        "it; 1 for none",
    )
    rank: NonNegativeInt = Field(
        0,
        description="learn changes of this rank (LoRA) beside the teacher's weights, which stay; "
        "0 to learn all weights",
    )


class ToldOptions(TaughtOptions):
    """A teacher whose student is told more than it is."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.rank:
            raise ValueError(
                f"rank {self.rank} does not fit this objective; set it to 0: its network has an "
                "input that the teacher's has not, and learns all weights"
            )
        return self


class ConsistencyDistillationOptions(TaughtOptions, ConsistencyOptions):
    """The teacher, and how the gap between the two levels of a pair shrinks."""


class StudentOptions(TaughtOptions):
    """The teacher, and the steps of the student."""

    evaluations: PositiveInt = Field(
        2, le=1024, description="steps of the student; sample it with as many"
    )


class ProgressiveOptions(StudentOptions):
    """How the number of steps is halved."""

    rounds: PositiveInt = Field(
        3,
        le=16,
        description="rounds of equal length; each halves the steps, and the last one ends with "
        "evaluations",
    )


class SfdOptions(StudentOptions):
    """How the teacher's trajectory is made."""

    substeps: PositiveInt = Field(
        4, le=1000, description="steps of the teacher to each step of the student"
    )


class ReflowOptions(TaughtOptions):
    """How the ends of the teacher's flow are made."""

    solver_steps: PositiveInt = Field(
        8, le=1000, description="steps of the teacher from noise to an example"
    )


class ComparedOptions(StudentOptions):
    """The noise levels at which samples are compared with examples."""

    lowest: NonNegativeFloat = Field(
        0.02, description="lowest noise level, as a share of the highest in the schedule's time"
    )
    highest: float = Field(0.98, gt=0, le=1, description="highest noise level, likewise")


class DistributionMatchingOptions(ComparedOptions):
    """How the network that follows the student's samples learns."""

    ratio: PositiveInt = Field(
        2,
        le=100,
        description="steps of the network that follows the student's samples to each step of the "
        "student",
    )
    adversary: NonNegativeFloat = Field(
        0.0,
        description="weight of a discriminator that tells samples from examples through that "
        "network; 0 for none, 0.01 as in the paper",
    )


class AdversarialOptions(ComparedOptions):
    """How much the teacher counts beside the discriminator."""

    distillation: NonNegativeFloat = Field(
        25.0, description="weight of the teacher's estimates beside the discriminator's judgement"
    )


CONTROL = "control"
"""The name of the condition that is a map of the example."""


class TunedOptions(Options):
    """A trained model that is added to."""

    needs: ClassVar = {
        "base": "Name a trained run there, or use the command difftool finetune RUN DATA, which does so."
    }

    base: str = Field("", description="run or model file that is fine-tuned; it does not change")


class ControlOptions(TunedOptions):
    """A branch beside a trained model that follows a map of the example."""

    operator: Literal["edges", "mean", "outline", "melody", "features", "file"] = Field(
        "edges",
        description="the map. edges: slopes; mean: the mean of the channels, without "
        "colours; outline: the mean at each place of the last axis, such as loudness over time, or "
        "the distance of points from their centre; melody: the lowest strong peak of bands over time; "
        "features: what points are, without their "
        "places; file: a file for each example, which column names",
    )
    column: str = Field(
        "", description="column of the data that names the map of each example, for operator = file"
    )
    dropout: float = Field(0.1, ge=0, le=1, description="share of the examples without their map")


class FinetuneOptions(TunedOptions):
    """What is added to a trained model, and how it keeps what it knew."""

    method: Literal["lora", "full", "head"] = Field(
        "lora",
        description="what is learnt: lora, a change of low rank of each matrix; full, all weights; "
        "head, the last layer",
    )
    rank: PositiveInt | Literal["auto"] = Field(
        "auto",
        description="rank of the changes; auto takes the largest of at most 2 % of the model's "
        "weights",
        json_schema_extra={"metavar": "auto|N"},
    )
    alpha: NonNegativeFloat = Field(
        0.0, description="the changes are multiplied by alpha / rank; 0 stands for the rank"
    )
    targets: tuple[str, ...] = Field(
        ("backbone.*",),
        description="patterns of the names of the weights that lora changes; _conditioners.* are "
        "the encoders of conditions",
    )
    convolutions: bool = Field(True, description="whether lora changes convolutions too")
    dora: bool = Field(
        False, description="learn the lengths of the rows beside their directions (DoRA)"
    )
    prior: NonNegativeFloat = Field(
        30.0,
        description="weight of keeping the old answers under old conditions; 0 forgets as it "
        "pleases, and a step takes a third of the time",
    )
    dream: PositiveInt = Field(
        2,
        le=100,
        description="evaluations of the old model that make an old-looking example of noise, for "
        "prior",
    )


class MeanFlowOptions(ToldOptions):
    """Which pairs of levels are learned."""

    needs: ClassVar = {}  # it learns without a teacher too

    instant: float = Field(
        0.25, ge=0, le=1, description="share of examples whose step has no length: they denoise"
    )
    to_data: float = Field(
        0.25, ge=0, le=1, description="share of examples whose step goes all the way to the data"
    )

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.instant + self.to_data > 1:
            raise ValueError(
                f"instant {self.instant:g} and to_data {self.to_data:g} are shares of one batch: "
                "their sum must be at most 1"
            )
        return self


class ShortcutOptions(ToldOptions):
    """The lengths of steps."""

    needs: ClassVar = {}  # it learns without a teacher too

    levels: PositiveInt = Field(
        5, le=16, description="the shortest step is 1 / 2^levels of the schedule's time"
    )
    share: float = Field(
        0.25, gt=0, le=1, description="share of examples that learn steps; the others denoise"
    )


class ConsistencyTrajectoryOptions(ToldOptions):
    """The grid of levels, and how much denoising counts."""

    parts: PositiveInt = Field(
        18, ge=2, le=10_000, description="parts of the schedule's time; the teacher steps over one"
    )
    denoising: NonNegativeFloat = Field(1.0, description="weight of the loss of denoising")


class ContinuousConsistencyOptions(TaughtOptions):
    """How the tangent is normalised and grows in."""

    needs: ClassVar = {}  # it learns without a teacher too

    c: PositiveFloat = Field(
        0.1, description="root mean square of the tangent below which it is not normalised"
    )
    warmup: float = Field(
        0.25, ge=0, le=1, description="share of training in which the tangent grows in"
    )


class ImprovedConsistencyOptions(Options):
    """The grid of levels, and how errors count."""

    first: PositiveInt = Field(10, le=10_000, description="parts of the grid at first")
    last: PositiveInt = Field(
        1280, le=1_000_000, description="parts of the grid at the end; fewer for short runs"
    )
    c: PositiveFloat = Field(
        0.03, description="constant of the pseudo-Huber loss, as a root mean square"
    )

    @model_validator(mode="after")
    def _growing(self) -> Self:
        if self.first > self.last:
            raise ValueError(f"first {self.first} must not be above last {self.last}")
        return self


class GuidedOptions(ToldOptions):
    """The scales that the student is told."""

    highest: float = Field(4.0, gt=1, description="highest scale of guidance that is learned")


class ClassifierOptions(Options):
    """A classifier of noisy examples (Dhariwal & Nichol 2021)."""

    features: PositiveInt = Field(
        64, le=4096, description="numbers that the network gives at each place of an example"
    )


class MultiscaleOptions(Options):
    """Errors at every resolution (Hoogeboom et al. 2023, arXiv:2301.11093)."""

    smallest: PositiveInt = Field(
        8, description="entries of the longest axis at which no coarser resolution follows"
    )
