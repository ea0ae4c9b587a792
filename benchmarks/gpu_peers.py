"""Training steps of the peers, at the shapes of ``gpu_subjects`` and about as many parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from audio_step import PEERS as SOUND
from common import Work
from gpu_subjects import DEVICE
from molecule_step import Published, batches
from torch import Tensor, nn
from train_step import DENOISING_DIFFUSION_PYTORCH, DIFFUSERS

Made = tuple[int, Work]
"""Parameters, and a training step."""


def step_around(model: nn.Module, loss: Callable[[], Tensor]) -> Made:
    """What our step does, around a peer's network and loss: bf16, clipping, fused AdamW, average."""
    parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=True)

    def step() -> None:
        with torch.autocast(DEVICE.type, torch.bfloat16):
            value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.001)

    return sum(p.numel() for p in model.parameters()), step


def on_device(model: nn.Module, network: nn.Module, compiled: bool) -> nn.Module:
    if compiled:
        network.compile()
    return model.to(DEVICE)


def denoising_diffusion_pytorch(batch: int, compiled: bool, smoke: bool) -> Made:
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    size = DENOISING_DIFFUSION_PYTORCH["smoke" if smoke else "35M"]
    unet = Unet(dim_mults=(1, 2, 4, 8), flash_attn=not smoke, **size)
    model = on_device(GaussianDiffusion(unet, image_size=32), unet, compiled)
    model = model.to(memory_format=torch.channels_last)
    x0 = torch.rand(batch, 3, 32, 32, device=DEVICE)
    return step_around(model, lambda: model(x0))


def diffusers(batch: int, compiled: bool, smoke: bool) -> Made:
    from diffusers import DDPMScheduler, UNet2DModel

    unet: Any = UNet2DModel(
        32,
        3,
        3,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
        **DIFFUSERS["smoke" if smoke else "35M"],
    )
    unet = on_device(unet, unet, compiled).to(memory_format=torch.channels_last)
    schedule: Any = DDPMScheduler()
    x0 = torch.rand(batch, 3, 32, 32, device=DEVICE) * 2 - 1

    def loss() -> Tensor:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,), device=DEVICE)
        return F.mse_loss(unet(schedule.add_noise(x0, noise, t), t).sample.float(), noise)

    return step_around(unet, loss)


def audio_diffusion_pytorch(batch: int, compiled: bool, smoke: bool) -> Made:
    from audio_diffusion_pytorch import DiffusionModel, UNetV0, VDiffusion, VSampler

    shape = SOUND["smoke" if smoke else "wide"]
    model = DiffusionModel(
        net_t=UNetV0, in_channels=1, diffusion_t=VDiffusion, sampler_t=VSampler, **shape
    )
    model = on_device(model, model.net, compiled)
    x0 = torch.rand(batch, 1, 1024 if smoke else 16384, device=DEVICE) * 2 - 1
    return step_around(model, lambda: model(x0))


def video_diffusion_pytorch(batch: int, compiled: bool, smoke: bool) -> Made:
    from video_diffusion_pytorch import GaussianDiffusion, Unet3D

    unet = Unet3D(dim=8 if smoke else 40, dim_mults=(1, 2, 4, 8))
    model = GaussianDiffusion(unet, image_size=32, num_frames=8, timesteps=1000)
    model = on_device(model, unet, compiled)
    x0 = torch.rand(batch, 3, 8, 32, 32, device=DEVICE)
    return step_around(model, lambda: model(x0))


def published_egnn(batch: int, compiled: bool, smoke: bool) -> Made:
    model = Published(*(1, 16) if smoke else (9, 256))
    model = on_device(model, model, compiled)
    x0, mask = (t.to(DEVICE) for t in batches(batch, mixed=False)[0])

    def loss() -> Tensor:
        with torch.device(DEVICE):
            t = torch.rand(len(x0))
            noisy = x0 + t[:, None, None] * torch.randn_like(x0) * mask
            return F.mse_loss(model(noisy, t, mask), x0)

    return step_around(model, loss)


PEERS: dict[str, dict[str, Callable[[int, bool, bool], Made]]] = {
    "small": {"denoising-diffusion-pytorch": denoising_diffusion_pytorch, "diffusers": diffusers},
    "sound": {"audio-diffusion-pytorch": audio_diffusion_pytorch},
    "video": {"video-diffusion-pytorch": video_diffusion_pytorch},
    "molecules": {"EGNN as published": published_egnn},
}
