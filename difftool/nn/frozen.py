"""Weights that come with a part and never change: those of a pretrained encoder, for example."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import ModelFileError


class Frozen(nn.Module):
    """A network that is filled from a weight file and never learns: neither optimised nor averaged, always in eval mode, no gradients.

    Its weights are kept in the model file once, which then is all that sampling needs. Or only the weight file's checksum is kept: the
    model file stays small, needs the weight file at the same path, and ``require_frozen`` finds out whether that is still the same.

    Args:
        network: freshly built, of the shape of what the file holds.
        path: a safetensors file of the network's own tensors.
        stored: keep the weights in the model file; else the checksum.

    Raises:
        ModelFileError: the file is needed and is not there, or does not hold the network's tensors.
    """

    checksum: Tensor

    def __init__(self, network: nn.Module, path: str | Path, *, stored: bool = True) -> None:
        super().__init__()
        self.path = Path(path).expanduser()
        network.requires_grad_(False).eval()
        if self.path.is_file():
            _fill(network, self.path)
        elif not stored:
            raise ModelFileError(
                f"There is no file {self.path}, and the model keeps only the checksum of these frozen weights. Put the file there again."
            )
        else:  # a model file that has them may yet fill the network
            for parameter in network.parameters():
                nn.init.constant_(parameter, torch.nan)
        self._held = [network]  # in a list, where torch does not find it: what is not stored is in no state dict
        if stored:
            self.network = network
        else:
            self._digest = _checksum(self.path)
            self.register_buffer("checksum", self._digest.clone())

    def forward(self, *args: Any) -> Any:
        with torch.no_grad():
            return self._held[0](*args)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self._held[0].eval()
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """A move to a device takes the network along, stored or not."""
        super()._apply(fn, recurse)
        if "network" not in self._modules:
            self._held[0]._apply(fn)
        return self

    def fault(self) -> str:
        """What keeps it from being used; "" for nothing."""
        if any(p.isnan().any() for p in self._held[0].parameters()):
            return f"Frozen weights are missing: there is no file {self.path} to read them from. Put it there, or name its place."
        if "checksum" in self._buffers and not torch.equal(self.checksum.cpu(), self._digest):
            return (
                f"The frozen weights in {self.path} are not those that the model was trained with: their checksum is "
                f"{_hex(self._digest)}, and {_hex(self.checksum)} is wanted. Put the file back that it was trained with, or train anew."
            )
        return ""


def require_frozen(model: nn.Module) -> None:
    """Refuse a model whose frozen weights are missing or are others than it was trained with. Raises ModelFileError."""
    faults = (module.fault() for module in model.modules() if isinstance(module, Frozen))
    if found := next(filter(None, faults), ""):
        raise ModelFileError(found)


def _fill(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelFileError(f"{path} does not hold the frozen weights that are wanted: {error}") from None


def _checksum(path: Path) -> Tensor:
    """The SHA-256 of a file, ``[32]`` bytes."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return torch.tensor(list(digest), dtype=torch.uint8)


def _hex(digest: Tensor) -> str:
    return bytes(digest.tolist()).hex()[:12]
