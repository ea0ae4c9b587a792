"""Eyes of pretrained networks from a local folder: their maps, gradients, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from difftool.errors import UsageError
from difftool.objectives.eyes import FrozenEyes, seen_error
from difftool.rng import Stream

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    torch.manual_seed(0)
    root = tmp_path_factory.mktemp("networks")
    resnet = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"
    )
    vit = transformers.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=32,
        patch_size=8,
    )
    for name, network in (
        ("resnet", transformers.ResNetModel(resnet)),
        ("vit", transformers.ViTModel(vit)),
    ):
        network.save_pretrained(root / name, safe_serialization=True)
    return {name: root / name for name in ("resnet", "vit")}


@pytest.mark.parametrize(("name", "channels"), [("resnet", 12), ("vit", 16)])
@pytest.mark.parametrize("shape", [(2, 1, 32, 32), (2, 3, 40, 24), (2, 3, 4, 32, 32)])
def test_examples_are_seen_as_maps_and_gradients_reach_them(folders, name, channels, shape):
    eyes = FrozenEyes(str(folders[name]), shape[1], len(shape) - 2, CPU)
    x, other = (Stream(i, "x").normal(shape) for i in range(2))
    maps = eyes.maps(x, None)
    assert eyes.channels == maps[-1].shape[1] == channels
    assert all(m.ndim == len(shape) for m in maps)
    if len(shape) == 5:
        assert all(m.shape[2] == shape[2] for m in maps)
    assert seen_error(maps, eyes.maps(3 * x + 1, None)).max() < 1e-3  # networks ask for one spread
    other.requires_grad_()
    error = seen_error(maps, eyes.maps(other, None))
    error.sum().backward()
    assert error.min() > 0
    assert other.grad.any()


def test_what_it_cannot_see_is_refused(folders, tmp_path):
    with pytest.raises(UsageError, match="sees 3 channels"):
        FrozenEyes(str(folders["resnet"]), 2, 2, CPU)
    with pytest.raises(UsageError, match="sees 3 channels"):
        FrozenEyes(str(folders["resnet"]), 3, 1, CPU)
    with pytest.raises(
        UsageError, match=r"could not be loaded: .*Place config\.json and model\.safetensors there"
    ):
        FrozenEyes(str(tmp_path), 3, 2, CPU)
