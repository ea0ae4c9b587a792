"""Context: what a part may know of the run that it is built for."""

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
    """Another run, as far as a part may know it: a stage that no longer learns."""

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
    """The run as it stands when a part is built. The last three are built in their order, and are None until then.

    Attributes:
        description: the data that the model is for.
        device: where the model will run.
        open: ``open(path)`` gives another run or model file as a stage that no longer learns: in eval mode, on ``device``, without gradients.
        representation, process, denoiser: the parts built before this one.
    """

    description: Description
    device: torch.device
    open: Callable[[str | Path], Opened]
    representation: Representation | None = None
    process: Process | None = None
    denoiser: Denoiser | None = None
