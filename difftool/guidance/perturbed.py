"""Perturbed-attention guidance: away from what the model makes without attention."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..nn.attention import identity_attention, is_self_attention
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance
from .interval import within
from .options import PerturbedOptions


class PerturbedAttention(Guidance):
    """D + scale (D - D'), where each position attends to itself only in D'.

    Ahn et al. 2024, arXiv:2403.17377, Eq. 12 and 14. It needs neither labels nor another model.

    Args:
        layers: the self-attention layers of the network that are perturbed.
    """

    options: PerturbedOptions
    recordable = False

    def __init__(self, options: PerturbedOptions, layers: Collection[nn.Module]) -> None:
        super().__init__(options)
        self._layers = list(layers)

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        assert context.denoiser is not None
        layers = [m for m in context.denoiser.modules() if is_self_attention(m)]
        if not layers:
            raise UsageError(
                "The network has no self-attention to perturb. Use another guidance, such as "
                "autoguidance, or train a network with attention, such as dit."
            )
        if options.layers == "middle":  # of the network: the lowest level of a U-Net
            third = len(layers) // 3
            layers = layers[third : len(layers) - third]
        return cls(options, layers)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        options = self.options
        model, perturbed = bind(denoiser, cond, mask), bind(denoiser, cond, mask)
        if options.scale == 0:
            return model

        def denoise(x: Tensor, sigma: float) -> Tensor:
            good = model(x, sigma)
            with _perturbed(self._layers):
                bad = perturbed(x, sigma)
            return torch.lerp(bad, good, 1 + options.scale)

        if options.low > 0 or options.high is not None:
            return within(denoise, model, options.low, options.high)
        return denoise


@contextmanager
def _perturbed(layers: Collection[nn.Module]) -> Iterator[None]:
    """Inside the block these layers attend to each position by itself."""

    def begin(*_: Any) -> None:
        identity_attention.set(True)

    def end(*_: Any) -> None:
        identity_attention.set(False)

    hooks = [
        hook
        for layer in layers
        for hook in (
            layer.register_forward_pre_hook(begin),
            layer.register_forward_hook(end, always_call=True),
        )
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
