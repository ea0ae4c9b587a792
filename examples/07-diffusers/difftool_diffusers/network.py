"""Network: a network of diffusers as a difftool backbone."""

from pathlib import Path

import diffusers
import torch
import torch.nn.functional as F
from torch import nn

from difftool import Backbone, UsageError

AXES = {
    "UNet1DModel": 1,
    "UNet2DModel": 2,
    "UNet2DConditionModel": 2,
    "DiTTransformer2DModel": 2,
    "UNet3DConditionModel": 3,
}
STEPS = 1000
"""Time steps that diffusers' networks are trained with; difftool's time is the share of them."""

BESIDE = 4
"""Channels in which a global signal is laid beside the example."""


class Network(Backbone):
    """``x [b, c, n...]`` of the number of axes that the network has; padding is met as zeros.

    A vector becomes further channels. Tokens are attended to by UNet2DConditionModel; the other
    networks refuse them, because they would attend to padding.
    """

    def __init__(self, options, interface):
        super().__init__()
        channels, *sizes = interface.shape
        if len(sizes) != AXES[options.network]:
            raise UsageError(
                f"{options.network} has {AXES[options.network]} axes after the channels, and an "
                f"example is {interface.shape}. Set backbone.network to another class."
            )
        if interface.tokens and options.network != "UNet2DConditionModel":
            raise UsageError(
                f"{options.network} cannot leave out padding among tokens. Use "
                "UNet2DConditionModel, or another conditioner."
            )
        self.kind, self.conditional = options.network, "Condition" in options.network
        self.vector = nn.Linear(interface.vector, BESIDE) if interface.vector else None
        config = dict(options.config)
        config["in_channels"] = channels + interface.channels + BESIDE * bool(interface.vector)
        config["out_channels"] = channels
        if interface.tokens:
            config["cross_attention_dim"] = interface.tokens
        if self.kind == "UNet1DModel":  # its time embedding is laid beside the example, too
            config.setdefault("extra_in_channels", 2 * config["block_out_channels"][0])
        self.multiple = 2 ** len(config.get("block_out_channels", (1,)))
        self.network = getattr(diffusers, options.network)(**config)
        if options.folder and (weights := Path(options.folder).expanduser()).is_dir():
            self._start_from(weights, channels == config["in_channels"])

    def _start_from(self, folder, whole):
        """The weights of the folder; the first layer is new where further channels were added."""
        there = type(self.network).from_pretrained(folder, use_safetensors=True).state_dict()
        own = self.network.state_dict()
        fits = {name: t for name, t in there.items() if own[name].shape == t.shape}
        if whole and len(fits) < len(own):
            raise UsageError(f"The weights in {folder} do not fit the data. Use other data.")
        self.network.load_state_dict(own | fits)

    def forward(self, x, c_noise, signals, mask=None):
        shape = x.shape
        parts = [x if mask is None else x * mask]
        if signals.channels is not None:
            parts.append(signals.channels)
        if self.vector is not None:
            beside = self.vector(signals.vector)
            parts.append(
                beside.reshape(*beside.shape, *(1,) * (x.ndim - 2)).expand(-1, -1, *shape[2:])
            )
        padded = self._fitting(torch.cat(parts, 1))
        out = self._evaluated(padded, c_noise * (STEPS - 1), signals)
        return out[(slice(None), slice(None), *map(slice, shape[2:]))]

    def _evaluated(self, x, time, signals):
        if self.kind == "DiTTransformer2DModel":
            labels = torch.zeros(len(x), dtype=torch.long, device=x.device)
            return self.network(x, timestep=time, class_labels=labels, return_dict=False)[0]
        if not self.conditional:
            return self.network(x, time, return_dict=False)[0]
        if signals.tokens is None:
            tokens = x.new_zeros(len(x), 1, self.network.config.cross_attention_dim)
            return self.network(x, time, tokens, return_dict=False)[0]
        mask = signals.token_mask
        return self.network(
            x, time, signals.tokens, encoder_attention_mask=mask, return_dict=False
        )[0]

    def _fitting(self, x):
        """With zeros at the ends, up to sizes that can be halved as often as the network does."""
        more = [-n % self.multiple for n in reversed(x.shape[2:])]
        return F.pad(x, [one for n in more for one in (0, n)])
