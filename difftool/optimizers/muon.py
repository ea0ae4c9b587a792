"""Muon: momentum with orthogonalised steps.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; its polynomials are those of Amsel et al. 2025,
arXiv:2505.16932 (Polar Express).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from .optimizer import decay_groups
from .options import MuonOptions

QUINTICS = (
    (8.2218, -23.3469, 16.6338),
    (3.9728, -2.8449, 0.517),
    (3.4735, -2.5057, 0.481),
    (2.5044, -1.7907, 0.4071),
)
"""The best polynomials a s + b s^3 + c s^5 for singular values from 0.003 to 1, in turn.

Each is the nearest to 1 on the values that those before it left, and 2 % beyond them, because half precision rounds.
"""

MATRICES = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Muon(torch.optim.Optimizer):
    """Muon for weights of linear layers and convolutions, fused AdamW for the rest, at one
    learning rate.

    Steps are scaled to entries about as large as those of AdamW, so that its learning rates and
    weight decay apply (Liu et al. 2025, arXiv:2502.16982, Eq. 4). Weights of unit length are larger by
    the root of the number of inputs, and so are their steps, so one learning rate serves both.

    Args:
        groups: parameter groups; Muon takes those with ``matrices`` set. ``unit`` says that entries have a root mean
            square of one.
        precision: the type in which the orthogonalisation computes.
    """

    def __init__(
        self,
        groups: Iterable[dict[str, Any]],
        lr: float,
        momentum: float,
        betas: tuple[float, float],
        eps: float,
        precision: torch.dtype,
    ) -> None:
        # capturable, as torch's optimizers say it: no step waits for the device or counts on the
        # host
        defaults = {
            "lr": lr,
            "weight_decay": 0.0,
            "matrices": False,
            "unit": False,
            "capturable": False,
        }
        super().__init__(groups, defaults)
        self.momentum, self.precision = momentum, precision
        self._others = torch.optim.AdamW(
            [g for g in self.param_groups if not g["matrices"]],
            lr=lr,
            betas=betas,
            eps=eps,
            fused=True,
        )
        self._others.state = self.state  # so that one state dict holds everything

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            if group["matrices"]:
                for alike in _by_shape(p for p in group["params"] if p.grad is not None):
                    self._step(alike, group["lr"], group["weight_decay"], group["unit"])
        self._others.step()
        return loss

    def _step(
        self,
        parameters: Sequence[nn.Parameter],
        lr: float | Tensor,
        weight_decay: float,
        unit: bool,
    ) -> None:
        """Update parameters of one shape ``[outputs, ...]``; their steps are orthogonalised as
        one batch.
        """
        grads = [p.grad for p in parameters if p.grad is not None]
        averages = [self._average(p) for p in parameters]
        torch._foreach_lerp_(averages, grads, 1 - self.momentum)
        ahead = torch._foreach_lerp(grads, averages, self.momentum)  # Nesterov's
        stack = torch.stack([t.flatten(1) for t in ahead]).to(self.precision)
        updates = _orthogonal_by_whole(stack).to(parameters[0].dtype)
        if weight_decay:
            torch._foreach_mul_(list(parameters), 1 - lr * weight_decay)  # type: ignore[arg-type]
        size = updates.shape[2] ** 0.5 if unit else 1.0
        rate = 0.2 * max(updates.shape[1:]) ** 0.5 * size * lr
        if isinstance(rate, Tensor):  # on the device, which no kernel takes as alpha
            updates, rate = updates * rate, 1.0
        torch._foreach_add_(
            list(parameters),
            [u.view(p.shape) for u, p in zip(updates, parameters, strict=True)],
            alpha=-rate,
        )

    def _average(self, parameter: nn.Parameter) -> Tensor:
        """The moving average of the parameter's gradients."""
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)
        return state["momentum"]


def _orthogonal_by_whole(x: Tensor) -> Tensor:
    """``orthogonal`` of ``x [k, m, n]``, of which each device may hold some rows, sharded as ``x`` is.

    Each device takes its share of the k whole matrices, so no product waits for another device, and the step is that
    of whole weights.
    """
    if not hasattr(x, "device_mesh"):  # of a DTensor, which this process may never have imported
        return orthogonal(x)
    from torch.distributed.tensor import DTensor, Shard

    assert isinstance(x, DTensor)
    placements = [Shard(0) if p.is_shard() else p for p in x.placements]
    mine = orthogonal(x.redistribute(placements=placements).to_local()).contiguous()
    whole = DTensor.from_local(
        mine, x.device_mesh, placements, run_check=False, shape=x.shape, stride=x.stride()
    )
    return whole.redistribute(placements=x.placements)


def orthogonal(x: Tensor) -> Tensor:
    """Nearly the nearest (semi-)orthogonal matrices to ``x [k, m, n]``.

    Newton-Schulz iteration with the best quintic polynomial for each step (Amsel et al. 2025, Alg. 1): singular
    values that are not tiny end between 0.77 and 1.23.
    """
    if x.shape[1] > x.shape[2]:
        return orthogonal(x.mT).mT
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)
    if x.dtype == torch.float32 and x.shape[2] >= 2 * x.shape[1]:
        return _by_gram(x)
    gram = x @ x.mT
    size = _size(gram)
    x, gram = x * size.rsqrt(), gram / size
    for step, (a, b, c) in enumerate(QUINTICS):
        gram = x @ x.mT if step else gram
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _by_gram(x: Tensor) -> Tensor:
    """The same by products of small matrices, which takes a third to two thirds of the time for wide ``x``.

    A step is x -> p x with p a polynomial of g = x x^T, so g -> p g p. Half precision would lose small singular values,
    because g has their squares.
    """
    gram = x @ x.mT
    size = _size(gram)
    gram, whole = gram / size, size.rsqrt()
    for step, (a, b, c) in enumerate(QUINTICS):
        p = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        p.diagonal(dim1=1, dim2=2).add_(a)
        whole = p @ whole if step else p * whole
        gram = p @ gram @ p if step < len(QUINTICS) - 1 else gram
    return whole @ x


def _size(gram: Tensor) -> Tensor:
    """The square of the fourth root of the sum of fourth powers of singular values, ``[k, 1, 1]``.

    It is no less than the square of the largest, and nearer to it than the sum of squares, so small ones begin larger.
    """
    return gram.norm(dim=(1, 2), keepdim=True).clamp_min(1e-7)


def matrices_of(model: nn.Module, unit: bool = False) -> list[nn.Parameter]:
    """The weights of linear layers and convolutions that require gradients.

    Args:
        unit: those of layers that keep their weights at unit length, instead of the others.
    """
    weights = {
        id(m.weight): m.weight
        for m in model.modules()
        if (getattr(m, "unit_weights", False) if unit else isinstance(m, MATRICES))
    }
    return [p for p in weights.values() if isinstance(p, nn.Parameter) and p.requires_grad]


def muon(
    module: nn.Module, options: MuonOptions, precision: torch.dtype = torch.float32
) -> torch.optim.Optimizer:
    """Muon for the module's matrices and AdamW for the rest; AdamW only if it has no matrices.

    Args:
        precision: the type in which the orthogonalisation computes.
    """
    matrices, unit = matrices_of(module), matrices_of(module, unit=True)
    others = decay_groups(module, options.weight_decay, without=[*matrices, *unit])
    if not matrices and not unit:
        return torch.optim.AdamW(
            others, lr=options.lr, betas=options.betas, eps=options.eps, fused=True
        )
    groups = [
        {"params": matrices, "weight_decay": options.weight_decay, "matrices": True},
        {"params": unit, "matrices": True, "unit": True},  # a length that is forced cannot decay
        *others,
    ]
    return Muon(groups, options.lr, options.momentum, options.betas, options.eps, precision)


def _by_shape(parameters: Iterable[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    found: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
    for p in parameters:
        found[p.shape].append(p)
    return found.values()
