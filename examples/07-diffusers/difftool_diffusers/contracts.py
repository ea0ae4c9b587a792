"""difftool's contracts. `difftool plugins check diffusers` runs them."""

from tempfile import mkdtemp

import diffusers
import torch

from difftool.testing import (
    backbone_contract,
    plugin_contract,
    representation_contract,
    sampler_contract,
)

from .options import ORDERS

SINGLE = ("EulerDiscreteScheduler", "DPMSolverMultistepScheduler")
"""They compute in float32, and the contract of samplers in float64; the tests compare them."""

NORMED = {"layers_per_block": 1, "norm_num_groups": 4}
WIDE, NARROW = {"block_out_channels": (16, 16)}, {"block_out_channels": (8, 8)}
ATTENDS = {"attention_head_dim": 4, "cross_attention_dim": 8}


def blocks(*pairs):
    downs, ups = zip(*pairs, strict=True)
    return {"down_block_types": downs, "up_block_types": ups[::-1]}


PLAIN = ("DownBlock2D", "UpBlock2D")
UNET2 = {**WIDE, **NORMED, **blocks(PLAIN, PLAIN)}
CROSS = blocks(("CrossAttnDownBlock2D", "CrossAttnUpBlock2D"), PLAIN)
TEXT2 = {**WIDE, **NORMED, **ATTENDS, **CROSS}
UNET3 = {**NARROW, **NORMED, **ATTENDS, **blocks(*2 * [("DownBlock3D", "UpBlock3D")])}
UNET1 = {"block_out_channels": (32, 32), "mid_block_type": "UNetMidBlock1D"} | blocks(
    ("DownBlock1DNoSkip", "UpBlock1DNoSkip"), ("DownBlock1D", "UpBlock1D")
)
HEADS = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 2}
DIT = {**HEADS, "sample_size": 8, "num_embeds_ada_norm": 1, "norm_num_groups": 4}

KL = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "norm_num_groups": 4,
}


def saved():
    """A folder of a small autoencoder."""
    torch.manual_seed(0)
    folder = mkdtemp(prefix="difftool-diffusers-")
    diffusers.AutoencoderKL(**KL).save_pretrained(folder)
    return folder


TestPlugin = plugin_contract("diffusers")
for kind, shape, config in (
    ("UNet1DModel", (2, 16), UNET1),
    ("UNet2DModel", (3, 8, 8), UNET2),
    ("UNet2DConditionModel", (3, 8, 8), TEXT2),
    ("UNet3DConditionModel", (2, 4, 8, 8), UNET3),
    ("DiTTransformer2DModel", (3, 8, 8), DIT),
):
    settings = {"network": kind, "config": config}
    globals()[f"Test{kind}"] = backbone_contract("diffusers", shape, settings)
for name in ORDERS:
    if name not in SINGLE:
        globals()[f"Test{name}"] = sampler_contract("diffusers", {"scheduler": name})
TestLatents = representation_contract(
    "diffusers",
    torch.arange(6 * 3 * 8 * 12).reshape(6, 3, 8, 12).remainder(251).to(torch.uint8),
    tolerance=255,
    options={"model": saved()},
)
