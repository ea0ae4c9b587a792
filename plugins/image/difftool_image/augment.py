"""Random changes of training pictures, on the batch's device: mirroring, and the augmentation of
EDM.

The augmentation does not leak into samples (Karras et al. 2022, arXiv:2206.00364, App. F.2): the
condition ``augment`` tells the network how each picture was changed. All zeros mean "unchanged",
and samples are made with zeros.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from difftool import Batch, Rng

from .native import mirrored

AUGMENT = "augment"
WIDTH = 9
"""x-flip, y-flip, scale, cos(rotation) - 1, sin(rotation), stretch along two axes, shift along two
axes.
"""

SCALE_STD = ANISO_STD = 0.2  # of the logarithm to base 2
SHIFT_STD = 1 / 8  # of the picture's width and height


def flip(raw: Batch, rng: Rng) -> Batch:
    """Mirror each picture with probability one half."""
    chosen = rng.uniform((len(raw),)) < 0.5
    return raw.with_x(_where(chosen, mirrored(raw.x, raw.mask), raw.x))


def augment(raw: Batch, rng: Rng, p: float) -> Batch:
    """Change the pictures and say how in the condition ``augment`` ``[b, 9]``.

    As in the paper, the mirror is tossed for every picture and each other change is made with
    probability ``p``.
    """
    label = draw(len(raw), rng, p).to(raw.x.device)
    x = _where(label[:, 0] > 0, raw.x.flip(-1), raw.x)
    x = _where(label[:, 1] > 0, x.flip(-2), x)
    warped = _where(
        (label[:, 2:] != 0).any(1), warp(x, matrices(label, x.shape[-2], x.shape[-1])), x
    )  # untouched ones keep their bytes
    return raw.with_x(warped).with_cond(**{AUGMENT: label})


def draw(n: int, rng: Rng, p: float) -> Tensor:
    """``[n, 9]``: the changes of each picture; zeros change nothing."""
    chosen = rng.uniform((n, 6)) < p
    chosen[:, :1] = True
    u, z = rng.uniform((n, 4)), rng.normal((n, 4))
    flips = (u[:, :2] < 0.5).float()
    scale, stretch, shift = z[:, :1], z[:, 1:2], z[:, 2:]
    turn, axis = (2 * math.pi * (u[:, 2:] - 0.5)).split(1, 1)
    rotation = torch.cat((turn.cos() - 1, turn.sin()), 1)
    anisotropy = stretch * torch.cat((axis.cos(), axis.sin()), 1)
    parts = (flips[:, :1], flips[:, 1:], scale, rotation, anisotropy, shift)
    return torch.cat([part * chosen[:, i : i + 1] for i, part in enumerate(parts)], 1)


def matrices(label: Tensor, height: int, width: int) -> Tensor:
    """``[b, 9] -> [b, 2, 3]``: from output to input position, both in [-1, 1], as ``affine_grid``
    takes them.

    The picture is scaled, rotated, stretched and shifted in that order, so a position goes through
    the inverses in the reverse order.
    """
    scale, cos, sin = label[:, 2], label[:, 3] + 1, label[:, 4]
    shrink = torch.exp2(-SCALE_STD * scale)
    stretch, axis = label[:, 5:7].norm(dim=1), torch.atan2(label[:, 6], label[:, 5])
    squeeze = torch.exp2(-ANISO_STD * stretch)
    unscale = _matrix(shrink, 0 * shrink, 0 * shrink, shrink)
    unrotate = _matrix(cos, sin, -sin, cos)
    along = _matrix(axis.cos(), -axis.sin(), axis.sin(), axis.cos())
    unstretch = along @ torch.diag_embed(torch.stack((squeeze, 1 / squeeze), 1)) @ along.mT
    a, b, c, d = (unscale @ unrotate @ unstretch).flatten(1).unbind(1)
    # In units in which a pixel is square: half the width is width, half the height is height.
    linear = _matrix(a, b * (height / width), c * (width / height), d)
    shift = 2 * SHIFT_STD * label[:, 7:]
    return torch.cat((linear, -linear @ shift[:, :, None]), 2)


def warp(x: Tensor, theta: Tensor) -> Tensor:
    """uint8 ``[b, c, h, w]`` through an affine map, the picture reflected at its edges."""
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    warped = F.grid_sample(
        x.float(), grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return warped.round_().clamp_(0, 255).to(x.dtype)


def _matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.stack((a, b, c, d), 1).unflatten(1, (2, 2))


def _where(chosen: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(chosen.to(b.device)[:, None, None, None], a, b)
