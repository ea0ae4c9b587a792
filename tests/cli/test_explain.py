"""``difftool explain``: its figures are there, and the density that it draws is the exact one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from small import call, pictures, small_run, train

from difftool.engine.explain import Watching, learned_density
from difftool.guidance.cfg import ClassifierFree
from difftool.nn.backbone import Signals
from difftool.space import Euclidean

MOVING = ("noising", "reverse")
FIGURES = ("forward", *MOVING, "steps", "noise", "schedule", "levels", "loss")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of the figures of a run, and a copy of what it printed."""
    place = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        train(place / "run", *small_run(steps=4))
        assert call("explain", "run", str(pictures()), "-n", "2", "-o", "figures") == 0
    return place / "figures"


def test_every_figure_is_a_file_and_part_of_the_page(page):
    text = (page / "explain.html").read_text(encoding="utf-8")
    assert text.count("<img src=") == len(FIGURES)
    assert "http" not in text.replace('<html lang="en">', "")  # it can be read offline
    for name in FIGURES:
        path = page / (f"{name}.gif" if name in MOVING else f"{name}.png")
        with Image.open(path) as image:
            assert image.width >= 200
    assert {path.suffix for path in page.iterdir()} == {".png", ".gif", ".html"}
    assert len(list(page.iterdir())) == len(FIGURES) + 1  # the parts of a sheet are removed


@pytest.mark.parametrize("name", MOVING)
def test_an_animation_goes_from_noise_to_samples_or_back(name, page):
    with Image.open(page / f"{name}.gif") as image:
        assert image.n_frames > 10
        first = np.asarray(image.convert("L"), float)
        image.seek(image.n_frames - 1)
        last = np.asarray(image.convert("L"), float)
    assert np.abs(first - last).mean() > 1


class Exact(torch.nn.Module):
    """D of N(0, 1)."""

    conditioners: ClassVar = {}
    remembers = False

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def signals(self, cond):
        return Signals()

    def forward(self, x, sigma, signals, mask=None):
        return x / (1 + sigma[:, None, None] ** 2)


def test_the_density_is_that_of_the_raw_units():
    """Of raw examples whose model units are (x - 3) / 2, a density N(3, 2^2)."""
    stage = SimpleNamespace(
        denoiser=Exact(),
        representation=SimpleNamespace(
            space=Euclidean(), encode=lambda raw: raw.with_x((raw.x - 3) / 2)
        ),
        process=SimpleNamespace(schedule=SimpleNamespace(sigma_min=0.002, sigma_max=200.0)),
    )
    points = np.array([[[-1.0], [0.0]], [[3.0], [3.0]], [[5.0], [2.0]]])
    found = learned_density(stage, points, steps=64)
    normal = torch.distributions.Normal(3.0, 2.0)
    wanted = normal.log_prob(torch.from_numpy(points)).sum((1, 2)).numpy()
    np.testing.assert_allclose(found, wanted, atol=2e-3)


def test_watching_changes_no_estimate():
    class Denoiser:
        def null(self, cond):
            return {}

        def signals(self, cond):
            return Signals()

        def __call__(self, x, sigma, signals, mask=None):
            return x / 2

    watching, x = Watching(ClassifierFree()), torch.ones(2, 3)
    found = watching.bind(Denoiser(), {})(x, 0.5)
    assert torch.equal(found, ClassifierFree().bind(Denoiser(), {})(x, 0.5))
    ((sigma, seen, x0),) = watching.seen
    assert (sigma, torch.equal(seen, x), torch.equal(x0, found)) == (0.5, True, True)
