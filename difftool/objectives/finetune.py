"""Fine-tuning: a trained model learns a little more, from a few examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..context import Context
from ..denoiser import Denoiser
from ..errors import UsageError
from ..nn.adapter_file import adapter_tensors
from ..nn.adapters import (
    LowRank,
    Rows,
    Whole,
    adapt,
    adapters_of,
    merged,
    multiplies,
    own_weights_of,
)
from ..objective import Denoising, Moment, Player
from ..rng import Rng
from ..shapes import expand_as
from .options import FinetuneOptions

SHARE = 0.02
"""Largest share of the model's weights that ``rank = "auto"`` takes."""


class Finetune(Denoising):
    """Denoising score matching of what is added to a trained model, whose own weights stay.

    With ``prior`` the model is held to its old answers where it is asked for what it knew before:
    E lambda(sigma) |D(x; sigma, c) - D_old(x; sigma, c)|^2 over conditions c of the old data
    (learning without forgetting, Li & Hoiem 2016, arXiv:1606.09282; the purpose of DreamBooth's
    prior preservation, Ruiz et al. 2023, arXiv:2208.12242, Eq. 2, without drawing samples first).

    The model ``base`` must be there whenever the run is resumed.
    """

    fills = True
    options: FinetuneOptions

    def __init__(self, options: FinetuneOptions, context: Context) -> None:
        super().__init__(options, context)
        if not options.base:
            raise UsageError(
                "Fine-tuning needs a trained model. Name it in objective.base, or use the command "
                "difftool finetune RUN DATA."
            )
        base = context.open(options.base)
        self._base = [base.denoiser]  # in a list: a teacher is not saved again
        self._columns = {
            name: (column, context.description.conditions[name])
            for name, column in base.description.conditions.items()
            if column.settable and name in self.denoiser.conditioners
        }
        start_from(self.denoiser, base.denoiser)
        self.denoiser.requires_grad_(False)
        grown = dict(self._grown(base.denoiser))
        chosen = dict(_chosen(self.denoiser, options, set(grown)))
        if options.method == "lora":
            rank = options.rank
            if rank == "auto":
                rows = sum(table.numel() - table[:first].numel() for table, first in _tables(grown))
                rank, chosen = fitting(self.denoiser, chosen, rows)
            for module, attribute, tensor in chosen.values():
                scale = (options.alpha or rank) / rank
                adapt(module, attribute, LowRank(tensor, rank, scale, options.dora))
        else:
            for module, attribute, tensor in chosen.values():
                adapt(module, attribute, Whole(tensor))
        for module, attribute, first in grown.values():
            adapt(module, attribute, Rows(getattr(module, attribute), first))
        if not adapters_of(self.denoiser):
            raise UsageError(
                f"objective.targets = {list(options.targets)} names no weight of the network. "
                "Choose patterns such as backbone.*, or leave it out."
            )

    def _grown(self, base: Denoiser) -> list[tuple[str, tuple[nn.Module, str, int]]]:
        """The tables that have rows for new values: tensor, its module, attribute and the number of
        old rows.
        """
        found = []
        names = list(self.denoiser.conditioners)
        for name, conditioner in self.denoiser.conditioners.items():
            for tensor in conditioner.grows:
                before = base.conditioners[name].get_parameter(tensor)
                now = conditioner.get_parameter(tensor)
                if len(now) > len(before):
                    path, _, attribute = tensor.rpartition(".")
                    place = f"_conditioners.{names.index(name)}.{tensor}"
                    module = conditioner.get_submodule(path)
                    found.append((place, (module, attribute, len(before))))
        return found

    def players(self) -> Sequence[Player]:
        return [Player("denoiser", self.denoiser)]

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        loss = super().loss(batch, rng, moment, player)
        if self.options.prior and self._columns:
            loss = loss + self.options.prior * self._forgetting(batch, rng)
        return loss

    def _forgetting(self, batch: Batch, rng: Rng) -> Tensor:
        """``[b]``: how far the answers under old conditions are from the old ones."""
        own, old = self._old_conditions(batch, rng)
        noisy = self.noised(batch.with_cond(**own), rng)
        x, sigma = self._dreamed(noisy.x, noisy.sigma, old, batch, rng)
        with torch.no_grad():
            before, _ = self._base[0].network(x, sigma, self._shown(old, noisy.cond), batch.mask)
        output, c = self.denoiser.network(x, sigma, noisy.cond, batch.mask)
        weight = self.process.weighting.weight(sigma) * c.out.square()
        return weight * self.mean_square(output - before, batch)

    def _dreamed(
        self, x: Tensor, sigma: Tensor, old: Mapping[str, Tensor], batch: Batch, rng: Rng
    ) -> tuple[Tensor, Tensor]:
        """Noisy examples of the old data: what the old model sees in noise, with less noise on it.

        At low noise levels the new examples are unlike everything that the model knew.
        """
        with torch.no_grad():
            high = torch.full_like(sigma, self.process.schedule.sigma_max)
            start = expand_as(high, x) * self.space.noise(x.shape, rng, batch.mask)
            seen, level = start, high
            for below in self._levels(sigma):
                x0 = self._base[0](seen, level, old, batch.mask)
                noise = self.space.noise(x.shape, rng, batch.mask)
                seen, level = x0 + expand_as(below, x) * noise, below
        if batch.observed is not None and batch.noise_free:
            seen = self.space.keep(seen, batch.x, batch.observed, batch.mask)
        return seen, level

    def _levels(self, sigma: Tensor) -> list[Tensor]:
        """Noise levels on the way from the highest to ``sigma``, evenly in ln sigma."""
        steps, high = self.options.dream, self.process.schedule.sigma_max
        return [(sigma / high) ** (k / steps) * high for k in range(1, steps + 1)]

    def _old_conditions(
        self, batch: Batch, rng: Rng
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Conditions that occur in the old data, as this model and as the old one takes them."""
        own, old = dict(batch.cond), dict(batch.cond)
        for name, (before, now) in self._columns.items():
            draws = rng.uniform((len(batch),)).tolist()
            values = [before.draw(u) for u in draws]
            for cond, column, taken in (
                (own, now, [now.moved(value, before) for value in values]),
                (old, before, values),
            ):
                cond[name] = torch.from_numpy(column.batch(taken)).to(batch.x.device)
        return own, old

    def _shown(self, old: Mapping[str, Tensor], dropped: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The old conditions, left open where this model's are."""
        found = dict(old)
        for name in self._columns:
            conditioner = self.denoiser.conditioners[name]
            null = conditioner.null(dropped[name])
            gone = torch.isclose(dropped[name], null, rtol=0, atol=0, equal_nan=True)
            gone = gone.flatten(1).all(1) if gone.ndim > 1 else gone
            empty = self._base[0].conditioners[name].null(old[name])
            found[name] = empty.where(expand_as(gone, empty), old[name])
        return found

    def merged(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return merged(adapters_of(self.denoiser), tensors)

    def adapter(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        if self.options.method == "full":
            return None
        return adapter_tensors(adapters_of(self.denoiser), tensors)


def start_from(module: nn.Module, base: nn.Module) -> None:
    """Copy a trained module's weights into one with the same parts, whose tables may be longer.

    New rows start as the mean of the others.

    Raises UsageError for a tensor of another shape.
    """
    own, theirs = module.state_dict(), base.state_dict()
    with torch.no_grad():
        for name, tensor in own.items():
            before = theirs.get(name)
            if before is None or before.shape[1:] != tensor.shape[1:] or len(before) > len(tensor):
                raise UsageError(
                    f"The weight {name} is not of the shape that it has in objective.base. Keep the "
                    "settings of the model: fine-tuning adds to it."
                )
            if before.shape == tensor.shape:
                tensor.copy_(before)
            else:
                tensor[: len(before)], tensor[len(before) :] = before, before.mean(0)


def _chosen(
    denoiser: Denoiser, options: FinetuneOptions, grown: set[str]
) -> list[tuple[str, tuple[nn.Module, str, Tensor]]]:
    """The tensors that the method changes, except tables with new rows."""
    found = [
        (name, (module, attribute, tensor))
        for name, module, attribute, tensor in own_weights_of(denoiser)
        if name not in grown
    ]
    if options.method == "full":
        return found
    matrices = [one for one in found if multiplies(*one[1])]
    if options.method == "head":
        return [one for one in matrices if one[0].startswith("backbone.")][-1:]
    return [
        (name, parts)
        for name, parts in matrices
        if any(fnmatchcase(name, f"{target}*") for target in options.targets)
        and (options.convolutions or parts[2].ndim == 2)
    ]


def _tables(grown: Mapping[str, tuple[nn.Module, str, int]]) -> list[tuple[Tensor, int]]:
    """Tables with new rows, and the number of their old ones."""
    return [(getattr(module, attribute), first) for module, attribute, first in grown.values()]


def fitting(
    denoiser: nn.Module, chosen: Mapping[str, tuple[nn.Module, str, Tensor]], rows: int = 0
) -> tuple[int, dict[str, tuple[nn.Module, str, Tensor]]]:
    """The largest rank whose adapters have at most ``SHARE`` of the model's weights, and what they
    are put on.

    Where rank 1 takes more, that is the larger matrices only, to which a change of rank 1 adds least
    for their size.

    Args:
        rows: numbers in new rows of tables, which count too.
    """
    room = SHARE * sum(p.numel() for p in denoiser.parameters())
    cost = {name: sum(tensor.flatten(1).shape) for name, (*_, tensor) in chosen.items()}
    if (rank := int(room / max(1, sum(cost.values())))) >= 1:
        return rank, dict(chosen)
    room -= rows
    kept = dict[str, tuple[nn.Module, str, Tensor]]()
    for name in sorted(chosen, key=lambda name: cost[name] / chosen[name][2].numel()):
        if not kept or cost[name] <= room:
            kept[name] = chosen[name]
            room -= cost[name]
    return 1, kept
