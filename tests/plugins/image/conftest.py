"""Small pictures on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from difftool import Item
from difftool_image.modality import ImageModality
from difftool_image.options import ImageOptions

SHAPES = np.array([[3, 12, 16]])
"""Of cached pictures; what the modality says of its data does not hang on them."""


def pattern(height: int = 12, width: int = 16, channels: int = 3, seed: int = 0) -> np.ndarray:
    """uint8 ``[h, w, c]``, smooth, all channels different."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (3, 4, channels), np.uint8)
    planes = [
        Image.fromarray(coarse[..., i]).resize((width, height), Image.Resampling.BILINEAR)
        for i in range(channels)
    ]
    return np.stack([np.asarray(plane) for plane in planes], -1)


@pytest.fixture
def folder(tmp_path):
    """Two classes of five pictures, 12 high and 16 wide."""
    for name, first in (("cat", 0), ("dog", 5)):
        (tmp_path / name).mkdir()
        for i in range(5):
            Image.fromarray(pattern(seed=first + i)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def modality(**options) -> ImageModality:
    return ImageModality(ImageOptions(**options))


def read(path: Path, **options) -> np.ndarray:
    """One file at its own size and channels, unless told otherwise."""
    one = modality(**options)
    item = Item(path)
    return one.fit([item]).read(item)
