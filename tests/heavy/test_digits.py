"""The whole of it on real data: scikit-learn's scans of handwritten digits, from a folder to judged samples, by the command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.heavy

TRAIN = [
    "--steps=1500",
    "--lr=2e-3",
    "--set=backbone.multipliers=[1,2]",
    "--set=backbone.attention=64",
    "--set=guidance.scale=1.5",
    "--preview=0",
    "--precision=fp32",
]


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "difftool", *words], check=True)


@pytest.fixture(scope="module")
def digits():
    """Pictures ``[n, 64]`` from 0 to 1, labels, and which are held out."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images.reshape(-1, 64) / 16, data.target, np.arange(len(data.target)) % 5 == 0


@pytest.fixture(scope="module")
def samples(digits, tmp_path_factory):
    """A thousand samples, ``[n, 64]`` and labels, of a model trained on the rest."""
    home = tmp_path_factory.mktemp("digits")
    pictures, labels, held_out = digits
    for i in np.flatnonzero(~held_out):
        (folder := home / "data" / str(labels[i])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.rint(pictures[i].reshape(8, 8) * 255).astype(np.uint8)).save(
            folder / f"{i}.png"
        )
    run("train", "-m", "image", str(home / "data"), "--run", str(home / "run"), *TRAIN)
    run("sample", str(home / "run"), "-n", "1000", "--cond", "class=all", "-o", str(home / "out"))
    paths = sorted((home / "out").glob("*.png"))
    return np.stack([np.asarray(Image.open(path)).reshape(64) / 255 for path in paths]), np.array(
        [label_of(path) for path in paths]
    )


def label_of(path: Path) -> int:
    """``000012-7.png`` -> 7."""
    return int(path.stem.split("-")[1])


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The distance of Dowson & Landau (1982) between the normal distributions of two sets of points."""
    products = np.linalg.eigvals(np.cov(a.T) @ np.cov(b.T))
    spread = np.trace(np.cov(a.T) + np.cov(b.T)) - 2 * np.sqrt(np.maximum(products.real, 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + spread)


def test_samples_are_of_the_class_that_was_asked_for(digits, samples):
    from sklearn.svm import SVC

    pictures, labels, held_out = digits
    judge = SVC(gamma=0.25).fit(pictures[~held_out], labels[~held_out])
    assert judge.score(pictures[held_out], labels[held_out]) > 0.97  # the judge can judge
    accuracy = judge.score(*samples)
    print(f"accuracy {accuracy:.3f}")
    assert accuracy >= 0.90


def test_samples_are_spread_as_the_data_are(digits, samples):
    pictures, labels, held_out = digits
    real = pictures[~held_out]
    means = np.stack([real[labels[~held_out] == label].mean(0) for label in samples[1]])
    ours, collapsed, best = (
        frechet(samples[0], real),
        frechet(means, real),
        frechet(pictures[held_out], real),
    )
    print(
        f"Frechet distance: samples {ours:.3f}, class means {collapsed:.3f}, real held-out {best:.3f}"
    )
    assert ours < 0.25 * collapsed


def test_samples_are_not_copies(digits, samples):
    pictures, _, held_out = digits
    real = pictures[~held_out]

    def nearest(points: np.ndarray) -> float:
        return float(np.mean([np.sqrt(((real - point) ** 2).sum(1).min()) for point in points]))

    ratio = nearest(samples[0]) / nearest(pictures[held_out])
    print(f"nearest-neighbour ratio {ratio:.3f}")
    assert 0.7 < ratio < 1.5
