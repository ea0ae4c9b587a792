"""Networks of pictures and texts, as the library transformers saves them: CLIP, SigLIP and the like."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import pretrained

KINDS = ("clip", "siglip", "siglip2", "chinese_clip", "altclip")
"""``model_type`` of networks that see pictures and read texts."""

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Of CLIP's pictures (Radford et al. 2021), where a folder says nothing."""

AT_ONCE = 64


def kind_of(name: str) -> str:
    """The ``model_type`` of a folder of transformers; empty for anything else."""
    with suppress(OSError, ValueError):
        return str(
            json.loads((Path(name) / "config.json").read_text("utf-8")).get("model_type", "")
        )
    return ""


@torch.inference_mode()
def texts_of(network: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """``[n, d]`` float64: texts in the space that they share with what else the network knows."""
    longest = getattr(getattr(network.config, "text_config", None), "max_position_embeddings", 77)
    found = []
    for at in range(0, len(texts), AT_ONCE):
        tokens = tokenizer(
            list(texts[at : at + AT_ONCE]),
            padding=True,
            truncation=True,
            max_length=longest,
            return_tensors="pt",
        )
        known = {name: tokens[name] for name in ("input_ids", "attention_mask")}
        found.append(vector(network.get_text_features(**known)))
    return np.concatenate(found)


def vector(found: Any) -> np.ndarray:
    """``[n, d]`` float64 of what a network returns: vectors, or an output that holds them."""
    pooled = found if isinstance(found, torch.Tensor) else found.pooler_output
    return pooled.double().numpy()


class ClipNetwork:
    """Bytes ``[c, h, w]`` of pictures -> features, and texts -> features of the same space.

    Args:
        name: a folder of transformers.
        features: shows pictures to a network as it was trained to see them (``networks.features``).

    Raises:
        UsageError: transformers is not installed, or the network cannot be loaded.
    """

    def __init__(self, name: str, features: Callable[..., np.ndarray]) -> None:
        self._features = features
        self._network = pretrained(name)
        self._tokenizer = pretrained(name, "AutoTokenizer")
        size = int(self._network.config.vision_config.image_size)
        about: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            about = json.loads((Path(name) / "preprocessor_config.json").read_text("utf-8"))
        self._about = {
            "input_size": (3, size, size),
            "mean": about.get("image_mean", MEAN),
            "std": about.get("image_std", STD),
        }

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        def see(x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(vector(self._network.get_image_features(pixel_values=x)))

        return self._features(see, self._about, pictures)

    def tokens(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """``[n, tokens, d]``: the last layer's, one for each patch and one before them."""

        def see(x: torch.Tensor) -> torch.Tensor:
            found = self._network.vision_model(pixel_values=x)
            return torch.as_tensor(found.last_hidden_state)

        width = self._network.config.vision_config.hidden_size
        flat = self._features(see, self._about, pictures)
        return flat.reshape(len(pictures), -1, width)

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """``[n, d]`` of texts."""
        return texts_of(self._network, self._tokenizer, texts)
