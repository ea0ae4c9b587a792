"""Text encoders of the library open_clip, from folders in its own format."""

from __future__ import annotations

import json
from pathlib import Path

import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from ..errors import ModelFileError, UsageError
from ..nn.pretrained import OPEN_CLIP_CONFIG, open_clip_library

PARTS = ("text_projection", "positional_embedding", "token_embedding", "transformer", "ln_final")
"""Beginnings of the names of the text's tensors where the model keeps no tower of its own."""

NO_TOWER = {"layers": 1, "width": 64, "head_width": 64, "patch_size": 16, "image_size": 16}
"""The other tower, which is not used: as small as one can be."""


class OpenClipText(nn.Module):
    """A text encoder: ``(ids [b, n], mask [b, n]) -> (tokens [b, n, width], pooled [b, pooled])``.

    Args:
        text: of ``open_clip_config.json``.
        folder: where it comes from.
        layer: the one whose tokens are taken; those of -1, the last, are normalised.
    """

    def __init__(self, text: str, folder: str, layer: int) -> None:
        super().__init__()
        about = json.loads(text)["model_cfg"]
        if about["text_cfg"].get("hf_model_name"):
            raise UsageError(
                f"The texts of {folder} are read by {about['text_cfg']['hf_model_name']}, a network "
                "of the library transformers. Name a folder of that one: open_clip would download "
                "it."
            )
        library = open_clip_library(folder)
        known = {key: about[key] for key in ("embed_dim", "quick_gelu") if key in about}
        whole = library.CustomTextCLIP(vision_cfg=NO_TOWER, text_cfg=about["text_cfg"], **known)
        self.network, self._layer = whole.text, layer

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        n, longest = ids.shape[1], self.network.context_length
        if n > longest:
            raise UsageError(
                f"A text has {n} tokens, but this encoder reads {longest}. Set "
                f"conditions.NAME.longest = {longest}."
            )
        ids = ids.masked_fill(~mask, self.network.pad_id)
        whole = F.pad(ids, (0, longest - n), value=self.network.pad_id)  # as it was trained
        found = self.network.forward_intermediates(whole, output_fmt="NLC")
        tokens = found["text_intermediates"][self._layer][:, :n]
        return (
            self.network.ln_final(tokens) if self._layer == -1 else tokens,
            found["text_features"],
        )


def fill(network: nn.Module, path: Path) -> None:
    """The text's weights of a file of open_clip, put into the encoder. Raises ModelFileError."""
    assert isinstance(network, OpenClipText)
    tensors = load_file(path)
    own = {
        name.removeprefix("text."): tensor
        for name, tensor in tensors.items()
        if name.startswith(("text.", *PARTS))
    }
    try:
        network.network.load_state_dict(own)
    except RuntimeError as error:
        raise ModelFileError(
            f"{path} does not hold the network of the {OPEN_CLIP_CONFIG} beside it: {error}. Put "
            "both files of one model there."
        ) from None
