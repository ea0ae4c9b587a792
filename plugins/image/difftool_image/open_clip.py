"""Networks of pictures and texts in the format of the library open_clip."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import pretrained

from .clip import AT_ONCE, MEAN, STD

CONFIG = "open_clip_config.json"


class OpenClipNetwork:
    """Bytes ``[c, h, w]`` of pictures -> features, and texts -> features of the same space.

    Args:
        name: a folder with ``open_clip_config.json`` and ``open_clip_model.safetensors``.
        features: shows pictures to a network as it was trained to see them (``networks.features``).

    Raises:
        UsageError: open_clip is not installed, or the network cannot be loaded.
    """

    def __init__(self, name: str, features: Callable[..., np.ndarray]) -> None:
        self._features = features
        self._network, self._tokenizer = pretrained(name), pretrained(name, "AutoTokenizer")
        about = json.loads((Path(name) / CONFIG).read_text("utf-8")).get("preprocess_cfg", {})
        size = self._network.visual.image_size
        height, width = (size, size) if isinstance(size, int) else size
        self._about: dict[str, Any] = {
            "input_size": (3, height, width),
            "mean": about.get("mean", MEAN),
            "std": about.get("std", STD),
        }

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        return self._features(self._network.encode_image, self._about, pictures)

    def tokens(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``[n, tokens, d]``: the last layer's, one for each patch."""
        width = 0

        def see(x: torch.Tensor) -> torch.Tensor:
            nonlocal width
            found = self._network.visual.forward_intermediates(
                x, indices=1, output_fmt="NLC", intermediates_only=True
            )["image_intermediates"][-1]
            width = found.shape[-1]
            return torch.as_tensor(found)

        flat = self._features(see, self._about, pictures)
        return flat.reshape(len(pictures), -1, width)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """``[n, d]`` of texts."""
        found = [
            self._network.encode_text(self._tokenizer(list(texts[at : at + AT_ONCE])))
            for at in range(0, len(texts), AT_ONCE)
        ]
        return torch.cat(found).double().numpy()
