"""Networks of pictures that others have trained, by timm, for the metrics of difftool evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from difftool import UsageError, is_open_clip

AT_ONCE = 32

Network = Callable[[Sequence[np.ndarray]], np.ndarray]


def network(name: str) -> Network:
    """Bytes ``[c, h, w]`` of any number of pictures -> features ``[n, d]`` of a network of timm.

    Args:
        name: a folder with ``config.json`` and ``model.safetensors``, of timm, or of transformers if
            it holds CLIP or SigLIP; one in open_clip's own format; or a name that timm knows, whose
            weights it downloads.

    Raises:
        UsageError: timm is not installed, or the network cannot be loaded.
    """
    from .clip import KINDS, ClipNetwork, kind_of
    from .open_clip import OpenClipNetwork

    if kind_of(name) in KINDS:
        return ClipNetwork(name, features)
    if is_open_clip(name):
        return OpenClipNetwork(name, features)
    timm, where = _timm(), f"local-dir:{name}" if Path(name).is_dir() else name
    try:
        model = timm.create_model(where, pretrained=True, num_classes=0).eval()
    except Exception as error:  # of timm, of the hub, or of a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"The network {name!r} could not be loaded: {reason}. Name a folder with config.json "
            "and model.safetensors, or a network of timm.list_models(pretrained=True), which is "
            "downloaded."
        ) from None
    return lambda pictures: features(model, timm.data.resolve_model_data_config(model), pictures)


@torch.inference_mode()
def features(
    model: Callable[[Tensor], Tensor], about: dict[str, Any], pictures: Sequence[np.ndarray]
) -> np.ndarray:
    """``[n, d]`` float64 of pictures as the network was trained to see them.

    Args:
        about: ``input_size`` (channels, height, width), and ``mean`` and ``std`` of each channel.
    """
    mean, std = (torch.tensor(about[name]).reshape(1, -1, 1, 1) for name in ("mean", "std"))
    found = []
    for at in range(0, len(pictures), AT_ONCE):
        x = torch.cat([_sized(one, about["input_size"][1:]) for one in pictures[at : at + AT_ONCE]])
        found.append(model((x - mean) / std).flatten(1).double().numpy())
    return np.concatenate(found)


def _sized(picture: np.ndarray, size: Sequence[int]) -> Tensor:
    """``[1, 3, h, w]`` from 0 to 1, of bytes ``[c, h, w]``; what is transparent lies on white."""
    x = torch.from_numpy(np.array(picture)).float() / 255
    if len(x) in (2, 4):
        x = x[:-1] * x[-1:] + (1 - x[-1:])
    x = x.expand(3, -1, -1)[None]
    return F.interpolate(x, tuple(size), mode="bicubic", antialias=True).clamp(0, 1)


def _timm() -> ModuleType:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise UsageError(
            f"Networks of pictures are loaded with timm, which cannot be imported. Install it: pip "
            f"install timm; or leave out --features. ({error})"
        ) from None
    return timm
