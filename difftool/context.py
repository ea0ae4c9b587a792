"""Context: the information about a run that a part is built with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the parts below are built with a context, and import it
    import torch

    from .denoiser import Denoiser
    from .description import Description
    from .process.process import Process
    from .representation import Representation


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


@dataclass(frozen=True, slots=True)
class Context:
    """The run at the moment when a part is built.

    The last three are built in this order, and are None before.

    Attributes:
        description: the data that the model is for.
        device: where the model will run.
        open: ``open(path)`` opens another run or model file as a frozen stage: in eval mode, on
            ``device``, without gradients.
        representation, process, denoiser: the parts built before this one.
    """

    description: Description
    device: torch.device
    open: Callable[[str | Path], Opened]
    representation: Representation | None = None
    process: Process | None = None
    denoiser: Denoiser | None = None
