"""Weights come from folders of diffusers and go back, and the network means the same in both."""

import subprocess
import sys
import zipfile

import diffusers
import pytest
import torch
from difftool_diffusers.contracts import KL, UNET2


def run(*words, cwd):
    done = subprocess.run(
        [sys.executable, "-m", "difftool", *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_is_trained_further_and_written_again(tmp_path):
    torch.manual_seed(0)
    before = diffusers.UNet2DModel(in_channels=3, out_channels=3, **UNET2)
    before.save_pretrained(tmp_path / "before")
    run(
        *(
            "train",
            "-m",
            "image",
            "--run",
            "run",
            "--steps",
            "1",
            "--lr",
            "1e-12",
            "--set=train.batch=2",
        ),
        *("--set=modality.size=8", "--backbone", "diffusers", "--set=backbone.folder=before"),
        *("--set=process.use=eps", "--set=schedule.use=linear", "--set=train.preview=0"),
        *("--set=modality.channels=rgb", "--set=optimizer.weight_decay=0"),
        cwd=tmp_path,
    )
    (tmp_path / "before").rename(tmp_path / "elsewhere")  # the model does not need it any more
    run("sample", "run", "-n", "1", "--steps", "2", "--sampler", "diffusers", cwd=tmp_path)
    run("export", "run", "--to", "after.zip", cwd=tmp_path)
    zipfile.ZipFile(tmp_path / "after.zip").extractall(tmp_path / "after")
    after = diffusers.UNet2DModel.from_pretrained(tmp_path / "after")
    kept = [n for n, t in before.state_dict().items() if t.shape == after.state_dict()[n].shape]
    assert len(kept) > 20
    for name in kept:
        torch.testing.assert_close(after.state_dict()[name], before.state_dict()[name])


@pytest.mark.parametrize(
    ("name", "order", "same"),
    [("EulerDiscreteScheduler", 1, "euler"), ("DPMSolverMultistepScheduler", 2, "dpmpp_2m")],
)
def test_what_computes_in_single_precision_is_difftool_s(name, order, same):
    from difftool_diffusers.scheduler import scheduler

    from difftool.testing.parts import load

    sampler, _ = load("sampler", same)
    x, sigmas = torch.linspace(-9, 9, 8, dtype=torch.float64)[None], [10.0, 3.0, 1.0, 0.2, 0.0]

    def denoise(x, sigma):
        return torch.tanh(x / (1 + sigma**2)) / 2

    theirs = list(scheduler(denoise, x, sigmas, None, name, order))
    for one, other in zip(theirs, sampler(denoise, x, sigmas, None), strict=True):
        torch.testing.assert_close(one.x, other.x, atol=1e-5, rtol=1e-5)


TINY = {
    "encoder_block_out_channels": (8, 8),
    "decoder_block_out_channels": (8, 8),
    "num_encoder_blocks": (1, 1),
    "num_decoder_blocks": (1, 1),
}
VQ = {**KL, "num_vq_embeddings": 16}


@pytest.mark.parametrize(
    ("kind", "config"), [("AutoencoderKL", KL), ("AutoencoderTiny", TINY), ("VQModel", VQ)]
)
def test_latents_of_an_autoencoder_are_diffused_and_it_is_written_again(tmp_path, kind, config):
    torch.manual_seed(0)
    before = getattr(diffusers, kind)(**config).eval()
    before.save_pretrained(tmp_path / "vae")
    run(
        *("train", "-m", "image", "--run", "run", "--steps", "1", "--set=train.batch=2"),
        *("--set=modality.size=9", "--set=modality.channels=rgb", "--set=train.preview=0"),
        *("--set=representation.use=diffusers", "--set=representation.model=vae"),
        cwd=tmp_path,
    )
    (tmp_path / "vae").rename(tmp_path / "elsewhere")  # the model does not need it any more
    run("sample", "run", "-n", "1", "--steps", "2", cwd=tmp_path)
    run("export", "run", "--to", "after.zip", cwd=tmp_path)
    zipfile.ZipFile(tmp_path / "after.zip").extractall(tmp_path / "after")
    after = getattr(diffusers, kind).from_pretrained(tmp_path / "after").eval()
    x = torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(after(x).sample, before(x).sample)
