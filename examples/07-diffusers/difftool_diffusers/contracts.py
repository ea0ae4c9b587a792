"""difftool's contracts. `difftool plugins check diffusers` runs them."""

from difftool.testing import backbone_contract, plugin_contract, sampler_contract

UNET2 = {
    "block_out_channels": (16, 16),
    "down_block_types": ("DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
}
UNET3 = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownBlock3D", "DownBlock3D"),
    "up_block_types": ("UpBlock3D", "UpBlock3D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 4,
    "cross_attention_dim": 8,
}
UNET1 = {
    "block_out_channels": (32, 32),
    "down_block_types": ("DownBlock1DNoSkip", "DownBlock1D"),
    "mid_block_type": "UNetMidBlock1D",
    "up_block_types": ("UpBlock1D", "UpBlock1DNoSkip"),
}
DIT = {
    "num_attention_heads": 2,
    "attention_head_dim": 8,
    "num_layers": 2,
    "sample_size": 8,
    "num_embeds_ada_norm": 1,
    "norm_num_groups": 4,
}

TestPlugin = plugin_contract("diffusers")
TestUNet2d = backbone_contract("diffusers", (3, 8, 8), {"config": UNET2})
TestUNet1d = backbone_contract("diffusers", (2, 16), {"network": "UNet1DModel", "config": UNET1})
TestUNet3d = backbone_contract(
    "diffusers", (2, 4, 8, 8), {"network": "UNet3DConditionModel", "config": UNET3}
)
TestDiT = backbone_contract(
    "diffusers", (3, 8, 8), {"network": "DiTTransformer2DModel", "config": DIT}
)
TestUniPc = sampler_contract("diffusers")
TestDeis = sampler_contract("diffusers", {"scheduler": "DEISMultistepScheduler"})
