"""Weights that come with a part and never change, such as those of a pretrained encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import ModelFileError
from ..names import local_path


class Frozen(nn.Module):
    """A network whose weights come from a file and never change.

    It is not optimised and not averaged, stays in eval mode, and computes no gradients. The model
    file stores the weights once, and then sampling needs no other file. Alternatively it stores the
    checksum of the weight file only: the model file stays small, needs the weight file at the same
    path, and ``require_frozen`` verifies that it is unchanged.

    Args:
        network: a newly built network, with the tensors of the file.
        path: a safetensors file of the network's tensors.
        stored: store the weights in the model file; otherwise the checksum only.
        fill: puts the weights of the file into the network, where its names are other ones.

    Raises:
        ModelFileError: the file is required and missing, or does not match the network.
    """

    checksum: Tensor

    def __init__(
        self,
        network: nn.Module,
        path: str | Path,
        *,
        stored: bool = True,
        fill: Callable[[nn.Module, Path], None] | None = None,
    ) -> None:
        super().__init__()
        self.path = local_path(path)
        network.requires_grad_(False).eval()
        if self.path.is_file():
            (fill or _fill)(network, self.path)
        elif not stored:
            raise ModelFileError(
                f"The file {self.path} is missing. Put it back: the model stores only the checksum "
                "of these frozen weights."
            )
        else:  # NaN marks missing weights; a model file may still provide them
            for parameter in network.parameters():
                nn.init.constant_(parameter, torch.nan)
        self._held = [network]  # in a list, so that torch does not register it and save its weights
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
        """Move the network to a device too, even if it is not registered."""
        super()._apply(fn, recurse)
        if "network" not in self._modules:
            self._held[0]._apply(fn)
        return self

    def fault(self) -> str:
        """Why the weights cannot be used, as a message; "" if they can."""
        if any(p.isnan().any() for p in self._held[0].parameters()):
            return (
                f"Frozen weights are missing: {self.path} does not exist. Put the file there, or "
                "set the option that names its path."
            )
        if "checksum" in self._buffers and not torch.equal(self.checksum.cpu(), self._digest):
            return (
                f"The frozen weights in {self.path} differ from those that the model was trained "
                f"with: their checksum is {_hex(self._digest)} instead of {_hex(self.checksum)}. "
                "Restore the original file, or train a new model."
            )
        return ""


class Sealed(nn.Module):
    """A network of another run whose weights never change.

    ``require_frozen`` refuses other weights than those of ``seal``.

    Args:
        seal: the ``digest`` of the weights that it must have; empty while any will do.
        source: where they are from, for messages.
    """

    def __init__(self, network: nn.Module, seal: str, source: str) -> None:
        super().__init__()
        self.network = network.requires_grad_(False).eval()
        self.seal, self.source = seal, source

    @property
    def digest(self) -> str:
        """A hash of its weights."""
        return digest_of(self.network.state_dict())

    def fault(self) -> str:
        """Why the weights cannot be used, as a message; "" if they can."""
        if not self.seal or (found := self.digest) == self.seal:
            return ""
        return (
            f"The weights of {self.source} have changed: their checksum is {found} instead of "
            f"{self.seal}. Restore that run, or train a new model: this one was measured and "
            "trained with the former weights."
        )


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """A hash of named tensors."""
    digest = hashlib.blake2b(digest_size=10)
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        digest.update(
            tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()


def require_frozen(model: nn.Module) -> None:
    """Raise ModelFileError if frozen weights of the model are missing or have changed."""
    faults = (module.fault() for module in model.modules() if isinstance(module, Frozen | Sealed))
    if found := next(filter(None, faults), ""):
        raise ModelFileError(found)


def _fill(network: nn.Module, path: Path) -> None:
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise ModelFileError(
            f"{path} does not match the network of frozen weights. Name a file of its tensors: "
            f"{error}"
        ) from None


def _checksum(path: Path) -> Tensor:
    """The SHA-256 of a file, ``[32]`` bytes."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return torch.tensor(list(digest), dtype=torch.uint8)


def _hex(digest: Tensor) -> str:
    return bytes(digest.tolist()).hex()[:12]
