"""What is asked of the sampling loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from ..guidance.cfg import ClassifierFree
from ..guidance.guidance import Guidance
from ..options import NoOptions, Options
from ..settings import NoiseSource, Tile
from .control import Branch
from .editing import Editing


@dataclass(frozen=True, slots=True)
class SampleRequest:
    """What to sample.

    Attributes:
        n: how many samples, with global indices ``start`` to ``start + n``.
        batch: how many at once; the samples depend on it in their last bits only.
        cond: condition name -> values, taken in turn; ``["all"]`` means every label in turn. A
            condition that is not named is drawn as it occurs in the data. A value may be several
            at once: ``red AND round``.
        negative: condition name -> what samples shall not be, taken in turn: guidance goes away
            from it.
        shape: the modality's own wishes (a size, a length).
        low: what a later stage of a cascade refines: for each sample, one raw example of the
            earlier stage.
        level: noise added to what is shown of ``low``, as sigma in model units.
        agree: ``low`` is right, and samples shall agree with it where no noise is added; else its
            faults may be mended.
        place: which of the stages that refine it is, from 1: what a stage refines holds the noise
            of those before it.
        resampling_steps: how often each step is taken.
        noise, tile, overlap, compile: as in the config table ``sample``.
        control: raw examples, taken in turn, whose maps samples follow.
        control_scale: how much they count.
        branches: further control branches, with the maps that samples follow too.
        editing: examples that the samples are made from, and how; None for samples from noise.
        evaluations: for each batch that is made, how often its estimate was asked for; filled in.
        passes: likewise, how often the network was evaluated for each sample: twice for each
            guided estimate.
    """

    n: int
    steps: int
    batch: int = 64
    seed: int = 0
    start: int = 0
    guidance: Guidance = field(default_factory=ClassifierFree)
    cond: Mapping[str, Sequence[str]] = field(default_factory=dict)
    negative: Mapping[str, Sequence[str]] = field(default_factory=dict)
    shape: Options = field(default_factory=NoOptions)
    low: Sequence[np.ndarray] = ()
    level: float = 0.0
    agree: bool = False
    place: int = 1
    resampling_steps: int = 1
    noise: NoiseSource = "fresh"
    tile: Tile = "auto"
    overlap: float = 0.25
    compile: Literal["auto", "on", "off"] = "auto"
    control: Sequence[np.ndarray] = ()
    control_scale: float = 1.0
    branches: Sequence[Branch] = ()
    editing: Editing | None = None
    evaluations: list[int] = field(default_factory=list)
    passes: list[float] = field(default_factory=list)
