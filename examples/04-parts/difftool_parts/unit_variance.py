"""A representation: raw units <-> what the network is given."""

from difftool import Euclidean, Representation


class UnitVariance(Representation):
    """Bytes, standardised by the mean and the standard deviation of the data, which it measures."""

    def __init__(self, options, description):
        self.shape, self.space = description.shape, Euclidean()
        self.mean = description.measured.get("mean", 0.0)
        self.std = description.measured.get("std", 1.0)

    def measure(self, raw):
        count, total, squares = 0, 0.0, 0.0
        for batch in raw:
            x = batch.x.double()
            count, total = count + x.numel(), total + x.sum().item()
            squares += x.square().sum().item()
        mean = total / count
        return {"mean": mean, "std": max(squares / count - mean**2, 1.0) ** 0.5}

    def encode(self, raw):
        return raw.with_x((raw.x.float() - self.mean) / self.std)

    def decode(self, batch):
        x = batch.x * self.std + self.mean
        return batch.with_x(x.round().clamp(0, 255).byte())
