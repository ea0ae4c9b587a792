"""Context: the information about a run that a part is built with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # the parts below are built with a context, and import it
    import torch
    from torch import nn

    from .denoiser import Denoiser
    from .description import Description
    from .nn.backbone import Backbone, Interface
    from .process.process import Process
    from .representation import Representation


Features = Callable[[str], Callable[[Sequence[Any]], Any]]
"""Opens a pretrained network by its path: raw examples -> vectors (``Modality.feature_network``)."""


class Opened(Protocol):
    """Another run or model, opened as a frozen stage."""

    @property
    def description(self) -> Description: ...

    @property
    def representation(self) -> Representation: ...

    @property
    def process(self) -> Process: ...

    @property
    def denoiser(self) -> Denoiser: ...

    @property
    def model(self) -> nn.Module:
        """What it trained: the denoiser, or the model of an objective that trains none."""
        ...


class Opener(Protocol):
    """Opens other runs."""

    def __call__(self, path: str | Path, /, *, ema: float | None = None) -> Opened:
        """Another run as a frozen stage: in eval mode, on the device, without gradients.

        Args:
            path: a run's folder, a model file, or a snapshot of a run, for earlier weights.
            ema: relative width of the average of the weights, made from the run's snapshots; None
                for the model file's average, or the first of a snapshot.
        """
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """The run at the moment when a part is built.

    The last three are built in this order, and are None before.

    Attributes:
        description: the data that the model is for.
        device: where the model will run.
        open: opens another run as a frozen stage: see ``Opener``.
        representation, process, denoiser: the parts built before this one.
        network: builds the run's backbone with another interface, for an objective that trains a
            network of its own; None for other parts.
        features: opens pretrained networks that embed raw examples; None for parts other than the
            representation and the bridge.
        learns: whether the model will be trained. What serves training only, such as a critic, may
            be left out otherwise.
        precision: dtype in which the run's settings want networks to compute in training. The
            denoiser does so by itself.
    """

    description: Description
    device: torch.device
    open: Opener
    representation: Representation | None = None
    process: Process | None = None
    denoiser: Denoiser | None = None
    network: Callable[[Interface], Backbone] | None = None
    features: Features | None = None
    learns: bool = True
    precision: torch.dtype | None = None
