"""The condition on a text by a pretrained encoder that does not learn: CLIP, T5, CLAP, BERT, ..."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..conditioner import Conditioner
from ..errors import ModelFileError
from ..names import local_path
from ..nn.backbone import Signals
from ..nn.frozen import Frozen
from ..nn.layers import linear
from ..nn.pretrained import OPEN_CLIP_WEIGHTS, applied, pretrained, transformers_library
from .embeddings import Embeddings
from .encoder_column import EncoderTextColumn
from .open_clip import OpenClipText
from .open_clip import fill as open_clip_weights
from .options import EncoderOptions
from .text_column import PADDING
from .weighted import SHIFT, UNIT

TOWERS = {
    "clip": "CLIPTextModelWithProjection",
    "clip_text_model": "CLIPTextModelWithProjection",
    "clap": "ClapTextModelWithProjection",
    "clap_text_model": "ClapTextModelWithProjection",
    "siglip": "SiglipTextModel",
    "siglip_text_model": "SiglipTextModel",
    "t5": "T5EncoderModel",
    "mt5": "MT5EncoderModel",
    "umt5": "UMT5EncoderModel",
}
"""Type of a model of several towers -> the class of its text encoder; others are whole."""


class Encoder(nn.Module):
    """A text encoder: ``(ids [b, n], mask [b, n]) -> (tokens [b, n, width], pooled [b, pooled])``.

    The pooled vector is the encoder's own where it has one (CLIP's projection, BERT's first token),
    else the mean of the tokens, as in sentence-transformers.
    """

    def __init__(self, network: nn.Module, layer: int, pooling: str) -> None:
        super().__init__()
        self.network, self._layer, self._pooling = network, layer, pooling

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        found = self.network(
            input_ids=ids, attention_mask=mask.long(), output_hidden_states=True, return_dict=True
        )
        tokens = found.last_hidden_state
        real = mask.unsqueeze(-1).to(tokens.dtype)
        pooled = (tokens * real).sum(1) / real.sum(1).clamp_min(1)
        own = getattr(found, "text_embeds", None)
        own = getattr(found, "pooler_output", None) if own is None else own
        if self._pooling == "own" and own is not None:
            pooled = own
        if self._layer != -1:
            tokens = found.hidden_states[self._layer]
        return tokens, pooled


class PretrainedText(Conditioner):
    """``[b, n]`` int64 tokens of the encoder -> a linear map of its tokens for cross-attention, and
    one of its pooled vector. Null is one learned token, and a learned vector.

    Each text is encoded once, and kept in the cache (``Embeddings``).
    """

    def __init__(self, options: EncoderOptions, column: EncoderTextColumn) -> None:
        super().__init__()
        folder, fill = local_path(options.path), _fill
        with applied(options.path):
            if "model_cfg" in json.loads(column.config):
                network: nn.Module = OpenClipText(column.config, options.path, options.layer)
                weights, fill = folder / OPEN_CLIP_WEIGHTS, open_clip_weights
            else:
                tower = _built(column.config, options.path)
                network = Encoder(tower, options.layer, column.pooling)
                weights = folder / "model.safetensors"
        self.encoder = Frozen(network, weights, stored=options.stored, fill=fill)
        self._embeddings = Embeddings(weights, options.layer) if options.cache else None
        with applied(options.path), torch.no_grad():
            tokens, pooled = self.encoder(
                torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1) > 0
            )
        self.vector, self.dropout = options.width, options.dropout
        self.tokens = options.token_width if options.tokens else 0
        self.pooled = linear(pooled.shape[-1], options.width)
        self.open_vector = nn.Parameter(torch.randn(options.width))
        if self.tokens:
            self.project = linear(tokens.shape[-1], options.token_width)
            self.open = nn.Parameter(torch.randn(options.token_width))

    def null(self, value: Tensor) -> Tensor:
        return torch.full_like(value, PADDING)

    def forward(self, value: Tensor) -> Signals:
        mask = value != PADDING
        given = mask.any(1)
        upper = (value >> SHIFT).unsqueeze(-1)
        weight = torch.where(upper > 0, (upper - 1) / UNIT, 1.0)
        ids = (value & (1 << SHIFT) - 1).where(mask, 0)
        tokens, pooled = self._encoded(ids, mask)
        vector = torch.where(given.unsqueeze(-1), self.pooled(pooled), self.open_vector)
        if not self.tokens:
            return Signals(vector)
        first = torch.arange(value.shape[1], device=value.device) == 0
        open_ = ~given.unsqueeze(-1) & first
        x = torch.where(open_.unsqueeze(-1), self.open, self.project(tokens) * weight)
        return Signals(vector, x, token_mask=mask | open_)

    def _encoded(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        seen = mask | ~mask.any(1, keepdim=True)  # attention over no token is not a number
        if self._embeddings is None or _recording(ids):
            return self.encoder(ids, seen)
        return self._embeddings(ids, seen, self.encoder)


def _recording(ids: Tensor) -> bool:
    """Whether a CUDA graph is recorded, in which nothing can be looked up."""
    return ids.is_cuda and torch.cuda.is_current_stream_capturing()


def _built(text: str, folder: str) -> nn.Module:
    """The encoder that the text of a ``config.json`` tells of, without its weights.

    Args:
        folder: where it comes from.
    """
    transformers = transformers_library(folder)
    about = json.loads(text)
    kind = transformers.AutoConfig.for_model(about["model_type"])
    config = _text_config(type(kind).from_dict(about))
    if tower := TOWERS.get(config.model_type):
        return getattr(transformers, tower)(config)
    return _encoder_of(transformers.AutoModel.from_config(config), config)


def _text_config(config: Any) -> Any:
    """That of the text's tower in a model of several."""
    return getattr(config, "text_config", config) if config.model_type in TOWERS else config


def _encoder_of(network: Any, config: Any) -> nn.Module:
    """The encoder of a network that may have a decoder too, such as BART."""
    both = getattr(config, "is_encoder_decoder", False) and config.model_type not in TOWERS
    return network.get_encoder() if both else network


def _fill(network: nn.Module, path: Path) -> None:
    """The weights of a folder that transformers saved, put into the encoder."""
    assert isinstance(network, Encoder)
    config = _text_config(pretrained(path.parent, "AutoConfig"))
    loaded = pretrained(path.parent, TOWERS.get(config.model_type, "AutoModel"))
    try:
        network.network.load_state_dict(_encoder_of(loaded, config).state_dict())
    except RuntimeError as error:
        raise ModelFileError(
            f"The encoder in {path.parent} is not the one that the model was trained with: {error}. "
            "Put that one back."
        ) from None
