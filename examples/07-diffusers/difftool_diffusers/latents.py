"""A representation: the latents of an autoencoder of diffusers, for pictures in bytes."""

from inspect import signature
from pathlib import Path

import diffusers
import torch

from difftool import Coder, Euclidean, Latent, Representation, UsageError


class Bytes(Representation):
    """Bytes ``[b, c, h, w]`` <-> numbers from -1 to 1, which these autoencoders take."""

    def __init__(self, description):
        self.shape, self.space = description.shape, Euclidean()

    def measure(self, raw):
        return {}

    def encode(self, raw):
        return raw.with_x(raw.x.float() / 127.5 - 1)

    def decode(self, batch):
        x = (batch.x + 1) * 127.5
        return batch.with_x(x.round().clamp(0, 255).to(torch.uint8))


class Autoencoder(Coder):
    """``AutoencoderKL``, ``AutoencoderTiny`` or ``VQModel``."""

    dimension = 2

    def __init__(self, kind, config):
        super().__init__()
        accepted = signature(getattr(diffusers, kind)).parameters  # folders say more than these
        taken = {key: value for key, value in config.items() if key in accepted}
        self.network = getattr(diffusers, kind)(**taken)
        known, self.kind = self.network.config, kind
        self.channels, self.latents = known.in_channels, known.latent_channels
        widths = (
            known.block_out_channels
            if kind != "AutoencoderTiny"
            else known.encoder_block_out_channels
        )
        self.reduction = (2 ** (len(widths) - 1),) * 2

    def encode(self, x, mask=None):
        moments, mask = self.moments(x, mask)
        return moments[:, : self.latents], mask

    def moments(self, x, mask=None):
        seen = None
        if mask is not None:  # padding is met as zeros, and as the pictures' background it counts
            real = mask.any(1, keepdim=True).expand(len(x), 1, *x.shape[2:])
            x, seen = x * real, real[:, :, :: self.reduction[0], :: self.reduction[1]]
        lacking = [-n % step for n, step in zip(x.shape[2:], self.reduction, strict=True)]
        x = torch.nn.functional.pad(x, (0, lacking[1], 0, lacking[0]), mode="replicate")
        if self.kind != "AutoencoderKL":
            return self.network.encode(x, return_dict=False)[0], seen
        found = self.network.encode(x).latent_dist
        return torch.cat((found.mean, found.std), 1), seen

    def draw(self, moments, rng):
        mean, *std = moments.split(self.latents, 1)
        return mean + std[0] * rng.normal(mean.shape) if std else mean

    def decode(self, z, mask=None):
        return self.network.decode(z, return_dict=False)[0]


class Latents(Latent):
    """The folder is needed until training begins; the model then holds the weights."""

    @classmethod
    def build(cls, options, context):
        description = context.description
        coder = Autoencoder(options.network, options.config)
        folder = Path(options.model).expanduser()
        if folder.is_dir():
            there = type(coder.network).from_pretrained(folder, use_safetensors=True)
            coder.network.load_state_dict(there.state_dict())
        elif not description.measured:
            raise UsageError(f"There is no folder {folder}. Name one in representation.model.")
        return cls(options, description, coder, Bytes(description), description)
