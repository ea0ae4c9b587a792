"""Features of networks that others have trained, without their libraries and their weights."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from difftool import UsageError
from difftool.judge.eye import Eye
from difftool_image.modality import ImageModality
from difftool_image.networks import features, network
from difftool_image.options import ImageOptions
from difftool_video.modality import VideoModality
from difftool_video.options import VideoOptions

ABOUT = {"input_size": (3, 4, 4), "mean": (0.5, 0.5, 0.5), "std": (0.25, 0.5, 1.0)}


class Means(torch.nn.Module):
    """The mean of each channel."""

    def forward(self, x):
        return x.mean((2, 3))


@pytest.fixture
def asked(monkeypatch):
    """The names that a stand-in of timm was asked for."""
    names = []

    def create_model(name, *, pretrained, num_classes):
        assert (pretrained, num_classes) == (True, 0)
        names.append(name)
        if name == "resnet0":
            raise RuntimeError("Unknown model (resnet0)\nand more")
        return Means()

    data = SimpleNamespace(resolve_model_data_config=lambda model: ABOUT)
    monkeypatch.setitem(sys.modules, "timm", SimpleNamespace(create_model=create_model, data=data))
    monkeypatch.setitem(sys.modules, "timm.data", data)
    return names


def flat(*values: int, size: int = 8) -> np.ndarray:
    return np.stack([np.full((size, size), value, np.uint8) for value in values])


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (flat(255, 0, 51), [2.0, -1.0, -0.3]),
        (flat(102), [-0.4, -0.2, -0.1]),
        (flat(102, size=3), [-0.4, -0.2, -0.1]),
        (flat(0, 0), [2.0, 1.0, 0.5]),  # transparent: white
        (flat(0, 0, 0, 255), [-2.0, -1.0, -0.5]),
    ],
    ids=["rgb", "grey", "small", "transparent", "opaque"],
)
def test_pictures_of_any_kind_are_shown_as_the_network_was_trained(picture, expected):
    assert features(Means(), ABOUT, [picture])[0] == pytest.approx(expected, abs=1e-5)


def test_a_folder_or_a_name(asked, tmp_path):
    found = network("resnet18")([flat(102), flat(51), flat(0)])
    assert found.shape == (3, 3)
    network(str(tmp_path))
    assert asked == ["resnet18", f"local-dir:{tmp_path}"]


def test_clips_by_their_frames(asked):
    one = np.stack([flat(0, 0, 0), flat(255, 255, 255)])
    found = VideoModality(VideoOptions()).feature_network("resnet18")([one, one[:1]])
    assert found.shape == (2, 6)
    assert found[0] == pytest.approx([0, 0, 0, 2, 1, 0.5], abs=1e-5)
    assert found[1] == pytest.approx([-2, -1, -0.5, 0, 0, 0], abs=1e-5)


def test_a_judge_sees_clips_of_any_length_with_frames_as_an_axis():
    modality = VideoModality(VideoOptions())
    clips = [np.zeros((frames, 3, 6, 8), np.uint8) for frames in (4, 7)]
    seen = [modality.perceive(one) for one in clips]
    assert [one.shape for one in seen] == [(3, 4, 6, 8), (3, 7, 6, 8)]
    assert Eye.of(seen).look(seen).shape == (2, 4, 7, 6, 8)


def test_what_cannot_be_loaded_is_said(asked, monkeypatch):
    with pytest.raises(
        UsageError, match=r"'resnet0' could not be loaded: Unknown model \(resnet0\)\. Name"
    ):
        ImageModality(ImageOptions()).feature_network("resnet0")
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match="pip install timm"):
        network("resnet18")
