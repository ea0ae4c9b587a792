"""Stage: one of each noun, ready to train or to sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from .bridge import Bridge
from .denoiser import Denoiser
from .description import Description
from .errors import UsageError
from .expert import Expert, ServedRange, untrained_levels
from .guidance.guidance import Guidance
from .modality import Modality
from .objective import Objective
from .optimizers.optimizer import OptimizerFactory
from .process.process import Process
from .representation import Representation
from .sampler import Sampler
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that defines a model, as built objects.

    Attributes:
        network: the denoiser; None for a model that makes no samples, such as an autoencoder.
        objective: how the model is trained; None for a model that was loaded for sampling.
        knobs: the options of the sampler.
        guidance: how conditions steer samples.
        config: the resolved configuration, as plain data, saved in the model file.
        settings: the validated tables of the configuration that name no part.
        bridge: the bridge to the earlier stage of a cascade; None for a stand-alone model.
        experts: denoisers that replace ``denoiser`` at lower levels, in any order, with its inputs.
        opened: the other runs from which parts were taken: path -> ``config``, ``description`` and
            ``opened`` of that run.
        packages: the package and version that each part came from.
    """

    modality: Modality
    representation: Representation
    process: Process
    network: Denoiser | None
    objective: Objective | None
    optimizer: OptimizerFactory
    sampler: Sampler
    knobs: Mapping[str, Any]
    guidance: Guidance
    description: Description
    config: Mapping[str, Any]
    settings: Settings
    bridge: Bridge | None = None
    experts: tuple[Expert, ...] = ()
    opened: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> nn.Module:
        """The module that a model file holds: the denoiser, or what the objective trains."""
        if self.network is not None:
            return self.network
        assert self.objective is not None
        return self.objective.model

    @property
    def denoiser(self) -> Denoiser:
        """The network that samples. Raises UsageError if the model has none."""
        if self.network is None:
            raise UsageError(
                "This model makes no samples. Use it in another run, or resume its training: its "
                "objective trains no denoiser."
            )
        return self.network

    @property
    def untrained_levels(self) -> str | None:
        """Why the stage cannot be sampled: levels without a trained denoiser; None if it can."""
        if self.network is None:
            return None
        own = ServedRange("the model", math.inf, self.process.density)
        experts = [
            ServedRange(f"the expert below {expert.below:g}", expert.below, expert.density)
            for expert in self.experts
        ]
        return untrained_levels(self.process.schedule, [own, *experts])
