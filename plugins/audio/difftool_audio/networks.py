"""Networks of sounds that others have trained, as the library transformers saves them: CLAP, which
reads texts as well, wav2vec 2.0, HuBERT, AST and the like.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from difftool import pretrained

FULL = 32768
"""Full scale of the raw units."""

AT_ONCE = 16


class SoundNetwork:
    """int16 ``[c, n]`` of recordings at one rate -> features ``[n, d]``.

    Args:
        name: a folder of transformers, with ``preprocessor_config.json``.
        rate: of the recordings.

    Raises:
        UsageError: transformers is not installed, or the network cannot be loaded.
    """

    def __init__(self, name: str, rate: int) -> None:
        self._rate = rate
        self._network = pretrained(name)
        self._extract = pretrained(name, "AutoFeatureExtractor")

    def __call__(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        return self._shown(sounds, self._seen)

    def tokens(self, sounds: Sequence[np.ndarray]) -> np.ndarray:
        """``[n, tokens, d]``: the last layer's, of sounds of one length."""
        return self._shown(sounds, self._states)

    @torch.inference_mode()
    def _shown(self, sounds: Sequence[np.ndarray], see: Callable[[Any], np.ndarray]) -> np.ndarray:
        found = []
        for at in range(0, len(sounds), AT_ONCE):
            heard = [self._heard(one) for one in sounds[at : at + AT_ONCE]]
            given = self._extract(
                heard,
                sampling_rate=self._extract.sampling_rate,
                return_tensors="pt",
                **({} if self.reads else {"padding": True}),
            )
            found.append(see(given))
        return np.concatenate(found)

    @property
    def reads(self) -> bool:
        """Whether it reads texts too."""
        return hasattr(self._network, "get_audio_features")

    def _heard(self, sound: np.ndarray) -> np.ndarray:
        """Mono, float32, at the rate that the network was trained at."""
        from scipy.signal import resample_poly

        x = sound.astype(np.float64).mean(0) / FULL
        wanted = int(self._extract.sampling_rate)
        if wanted != self._rate:
            common = math.gcd(wanted, self._rate)
            x = resample_poly(x, wanted // common, self._rate // common)
        # what is longer would be cut at random
        return x[: getattr(self._extract, "nb_max_samples", len(x))].astype(np.float32)

    def _seen(self, given: Any) -> np.ndarray:
        if self.reads:
            found = self._network.get_audio_features(**_known(given))
            pooled = found if isinstance(found, torch.Tensor) else found.pooler_output
            return pooled.double().numpy()
        return self._states(given).mean(1)

    def _states(self, given: Any) -> np.ndarray:
        if self.reads:
            maps = self._network.audio_model(**_known(given)).last_hidden_state  # [b, d, f, t]
            return maps.flatten(2).transpose(1, 2).double().numpy()
        return self._network(**given).last_hidden_state.double().numpy()


class ClapNetwork(SoundNetwork):
    """A network that reads texts too."""

    def __init__(self, name: str, rate: int) -> None:
        super().__init__(name, rate)
        self._tokenizer = pretrained(name, "AutoTokenizer")

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """``[n, d]``: texts in the space that they share with sounds."""
        found = []
        for at in range(0, len(texts), AT_ONCE):
            tokens = self._tokenizer(
                list(texts[at : at + AT_ONCE]), padding=True, truncation=True, return_tensors="pt"
            )
            known = {name: tokens[name] for name in ("input_ids", "attention_mask")}
            read = self._network.get_text_features(**known)
            pooled = read if isinstance(read, torch.Tensor) else read.pooler_output
            found.append(pooled.double().numpy())
        return np.concatenate(found)


def _known(given: Any) -> dict[str, Any]:
    return {k: v for k, v in given.items() if k in ("input_features", "is_longer")}


def network(name: str, rate: int) -> SoundNetwork:
    """The network in a folder. Raises UsageError."""
    kind = ""
    with suppress(OSError, ValueError):
        kind = json.loads((Path(name) / "config.json").read_text("utf-8")).get("model_type", "")
    return ClapNetwork(name, rate) if kind == "clap" else SoundNetwork(name, rate)
