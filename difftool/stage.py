"""Stage: one of each noun, ready to train or to sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
        network: the denoiser, which sampling uses; None for a model that makes no samples, such as an autoencoder.
        objective: what trains it; None for a model that was loaded to sample.
        knobs: the sampler's own settings.
        guidance: how conditions steer samples.
        config: the resolved configuration, as plain data, saved in the model file.
        settings: the tables of the configuration that name no part, validated.
        bridge: to an earlier stage of a cascade; None for a model that stands alone.
        experts: denoisers that serve in place of ``denoiser`` at lower levels, in any order; they are given what it is given.
        opened: what other runs that its parts were taken from were made with: path -> their ``config``, ``description`` and ``opened``.
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

    @property
    def denoiser(self) -> Denoiser:
        """The network that samples. Raises UsageError where the model has none."""
        if self.network is None:
            raise UsageError("This model makes no samples: what it trained is no denoiser. It can be trained on, and it can serve other runs.")
        return self.network

    @property
    def untrained_levels(self) -> str:
        """Why it cannot be sampled: levels that no denoiser of it was trained on; "" where there are none."""
        if self.network is None:
            return ""
        own = ServedRange("the model", math.inf, self.process.density)
        experts = [ServedRange(f"the expert below {expert.below:g}", expert.below, expert.density) for expert in self.experts]
        return untrained_levels(self.process.schedule, [own, *experts])
