"""Lion (Chen et al. 2023, arXiv:2302.06675, Alg. 2)."""

import torch

from difftool import decay_groups


def lion(module, options, precision):
    return Lion(
        decay_groups(module, options.weight_decay), {"lr": options.lr, "betas": options.betas}
    )


class Lion(torch.optim.Optimizer):
    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(torch.lerp(p.grad, momentum, first).sign(), alpha=-group["lr"])
                momentum.lerp_(p.grad, 1 - second)
