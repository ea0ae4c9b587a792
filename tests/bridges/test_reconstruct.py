"""A diffusion decoder: its bridge, other weights than it learnt with, and a cascade from latents to it."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image
from small import SETS, call, pictures
from torch import nn

from difftool.batch import Batch
from difftool.bridges.options import ReconstructOptions
from difftool.bridges.reconstruct import SEAL, Reconstruct
from difftool.description import Description
from difftool.errors import ModelFileError, UsageError
from difftool.nn.autoencoder.network import Autoencoder
from difftool.nn.autoencoder.options import BottleneckOptions
from difftool.testing import bridge_contract
from difftool_image.pixels import Pixels

RAW = torch.randint(
    0, 256, (3, 3, 9, 13), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
)
DESCRIPTION = Description((3, 9, 13), "uint8", 3)


def coder(seed: int = 1) -> Autoencoder:
    torch.manual_seed(seed)
    made = Autoencoder(BottleneckOptions(channels=8, multipliers=(1, 2), latents=3), 3, 2)
    for p in made.parameters():
        if not p.any():
            nn.init.normal_(p, std=0.1)
    return made.eval().requires_grad_(False)


def opened(path: object, /, *, ema: float | None = None) -> SimpleNamespace:
    return SimpleNamespace(model=coder(), representation=Pixels(None, DESCRIPTION))


TestReconstruct = bridge_contract(
    "reconstruct",
    RAW,
    "pixels",
    options={"model": "any", "max_aug_level": 0.5, "residual": True, "crop": (4, 5)},
    opened=opened,
)


def bridge(opener=opened, **options: object) -> Reconstruct:
    given = ReconstructOptions(**{"model": "any", **options})
    return Reconstruct(given, DESCRIPTION, Pixels(None, DESCRIPTION), opener)


def test_what_is_refined_is_what_the_autoencoder_makes():
    made, pixels = coder(), Pixels(None, DESCRIPTION)
    wanted = pixels.decode(Batch(made(pixels.encode(Batch(RAW)).x))).x
    assert torch.equal(bridge().degrade(Batch(RAW)).x, wanted)


def test_what_is_no_autoencoder_and_changed_weights_are_refused():
    assert bridge(model="stage:ae").measure([Batch(RAW)]) == {}
    found = bridge().measure([Batch(RAW)])
    there = Description((3, 9, 13), "uint8", 3, measured=found)
    other = lambda path: SimpleNamespace(model=coder(2), representation=Pixels(None, there))  # noqa: E731
    made = Reconstruct(ReconstructOptions(model="any"), there, Pixels(None, there), other)
    assert SEAL in found
    with pytest.raises(ModelFileError, match="checksum"):
        made.degrade(Batch(RAW))
    with pytest.raises(UsageError, match="not an autoencoder"):
        bridge(lambda path: SimpleNamespace(model=nn.Identity())).degrade(Batch(RAW))
    with pytest.raises(UsageError, match=r"bridge.model is empty"):
        bridge(model="").degrade(Batch(RAW))


FILE = """
modality = "image"

[[stage]]
name = "ae"
[stage.modality]
size = 8
[stage.objective]
use = "autoencoder"
channels = 8
multipliers = [1, 2]

[[stage]]
name = "latent"
[stage.modality]
size = 8
[stage.representation]
use = "latent"
model = "stage:ae"

[[stage.expert]]
name = "fine"
below = 0.5
[stage.expert.train]
steps = 2

[[stage]]
name = "decoder"
[stage.modality]
size = 8
[stage.bridge]
use = "reconstruct"
model = "stage:ae"
residual = true
"""


@pytest.mark.heavy
def test_a_cascade_ends_in_a_diffusion_decoder_that_needs_no_autoencoder_to_sample(tmp_path):
    (tmp_path / "small.toml").write_text(FILE)
    sets = [one for one in SETS if "modality" not in one and not one.startswith("ema")]
    words = [word for one in [*sets, "train.steps=2"] for word in ("--set", one)]
    root, data = tmp_path / "run", str(pictures())
    assert call("train", str(tmp_path / "small.toml"), data, "--run", str(root), *words) == 0
    mine = Path(shutil.copytree(root, tmp_path / "mine"))
    shutil.rmtree(mine / "ae")
    shutil.rmtree(root)
    out = tmp_path / "out"
    assert call("sample", str(mine), "-n", "2", "-o", str(out)) == 0
    assert {Image.open(path).size for path in out.rglob("0*.png")} == {(8, 8)}
