"""A bridge: a later stage of a cascade that colours the grey pictures of an earlier one."""

import torch

from difftool import Batch, Bridge, ChannelsColumn, UsageError


class Colour(Bridge):
    """The grey picture, from -1 to 1, is an input channel of the network."""

    def __init__(self, options, description, representation):
        self.shape, self.dtype = description.shape, description.dtype
        self.representation = representation

    def conditions(self):
        return (ChannelsColumn("grey", width=1),)

    def check_compatible(self, earlier):
        if earlier.shape != (1, *self.shape[1:]) or earlier.dtype != self.dtype:
            raise UsageError(
                f"colour needs grey pictures of the same size from the earlier stage, but that one "
                f"makes {earlier.shape}. Set its modality.channels = grey."
            )

    def earlier_shape(self, shape):
        return (1, *shape[1:])

    def degrade(self, raw):
        return raw.with_x(raw.x.float().mean(1, keepdim=True).round().to(raw.x.dtype))

    def encode(self, low, raw, level, rng):
        return self.representation.encode(raw.with_cond(grey=low.x.float() / 127.5 - 1))

    def template(self, low, raw):
        if low.ndim != 3 or len(low) != 1 or str(low.dtype) != self.dtype:
            raise UsageError(f"colour refines grey pictures, but this has the shape {low.shape}.")
        grey = torch.from_numpy(low)[None]
        return Batch(grey), Batch(grey.expand(-1, self.shape[0], -1, -1), raw.cond)
