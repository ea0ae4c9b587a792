"""Classifier guidance and perturbed attention: Bayes' rule on mixtures, and layers that see nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from small import call, examples, pictures, same, small_run, train

from difftool.classifier import log_probability
from difftool.conditioners.columns import LabelColumn, LabelsColumn, NumberColumn
from difftool.guidance.classifier import ClassifierGuidance
from difftool.guidance.options import ClassifierGuidanceOptions, PerturbedOptions
from difftool.guidance.perturbed import PerturbedAttention
from difftool.nn.attention import SelfAttention
from difftool.nn.backbone import Signals
from difftool.rng import Stream

MEANS = torch.tensor([[-2.0, 0.0], [1.0, 1.5], [1.0, -1.0]], dtype=torch.float64)
SD, WEIGHTS = 0.4, torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


class Mixture:
    """A mixture of normal distributions, as a denoiser without conditions and as a classifier."""

    def null(self, cond):
        return {}

    def signals(self, cond):
        return Signals()

    def joint(self, x, sigma):
        """ln p(x, k) up to a constant, ``[b, 3]``."""
        square = (x[:, None] - MEANS).square().sum(2)
        return WEIGHTS.log() - square / (2 * (SD**2 + sigma[:, None] ** 2))

    def component(self, k, x, sigma):
        """D of one component."""
        keep = SD**2 / (SD**2 + sigma[:, None] ** 2)
        return MEANS[k] + keep * (x - MEANS[k])

    def __call__(self, x, sigma, signals, mask=None):
        share = self.joint(x, sigma).softmax(1)
        each = torch.stack([self.component(k, x, sigma) for k in range(3)], 1)
        return (share[:, :, None] * each).sum(1)

    def log_probability(self, x, sigma, cond, mask=None):
        return self.joint(x, sigma).log_softmax(1).gather(1, cond["kind"][:, None])[:, 0]


@pytest.mark.parametrize("sigma", [0.01, 0.5, 3.0, 50.0])
def test_on_a_mixture_it_is_the_conditional_score(sigma):
    mixture = Mixture()
    x = 3 * Stream(0, "x").normal((7, 2)).double()
    kind = torch.arange(7) % 3
    guided = ClassifierGuidance(ClassifierGuidanceOptions(), mixture)
    found = guided.bind(mixture, {"kind": kind})(x, sigma)
    level = torch.full((7,), sigma, dtype=torch.float64)
    wanted = torch.stack(
        [mixture.component(int(k), x[i : i + 1], level[:1])[0] for i, k in enumerate(kind)]
    )
    torch.testing.assert_close(found, wanted, rtol=1e-8, atol=1e-8)


def test_what_is_not_given_counts_nothing():
    """Null values have the probability 1; given ones are distributions."""
    label = LabelColumn("a", names=("x", "y"), counts=(1, 1))
    labels = LabelsColumn("b", names=("x", "y"))
    number = NumberColumn("c", mean=2.0, std=3.0, low=0.0, high=9.0)
    guess = Stream(0, "guess").normal((2, 2))
    assert log_probability(label, guess, torch.tensor([-1, -1])).tolist() == [0, 0]
    assert log_probability(labels, guess, torch.full((2, 2), -1.0)).tolist() == [0, 0]
    assert log_probability(number, guess, torch.tensor([torch.nan] * 2)).tolist() == [0, 0]
    both = sum(log_probability(label, guess, torch.tensor([k, k])).exp() for k in (0, 1))
    torch.testing.assert_close(both, torch.ones(2))
    z = (torch.tensor([5.0, 5.0]) - 2) / 3
    normal = torch.distributions.Normal(guess[:, 0], (guess[:, 1] / 2).exp())
    torch.testing.assert_close(
        log_probability(number, guess, torch.tensor([5.0, 5.0])), normal.log_prob(z)
    )


def test_a_perturbed_layer_gives_each_position_its_own_value():
    torch.manual_seed(0)
    layer = SelfAttention(8, 4)
    torch.nn.init.normal_(layer.out.weight)
    x = Stream(0, "x").normal((2, 8, 5))

    class Denoiser:
        def signals(self, cond):
            return Signals()

        def __call__(self, x, sigma, signals, mask=None):
            return layer(x, None, None)

    options = PerturbedOptions(scale=2.0, layers="all")
    guided = PerturbedAttention(options, [layer]).bind(Denoiser(), {})
    h = layer.norm(x, mask=None).flatten(2).transpose(1, 2)
    own = x + layer.out(layer.project(h, None)[2]).transpose(1, 2)
    with torch.no_grad():
        usual = layer(x, None, None)
        torch.testing.assert_close(guided(x, 1.0), usual + 2 * (usual - own))
        torch.testing.assert_close(layer(x, None, None), usual)  # nothing is left behind


def test_a_network_without_attention_says_so():
    context = SimpleNamespace(denoiser=torch.nn.Linear(2, 2))
    with pytest.raises(Exception, match="no self-attention"):
        PerturbedAttention.build(PerturbedOptions(), context)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """A classifier of two kinds of pictures, and a model without labels of the same pictures."""
    place = tmp_path_factory.mktemp("runs")
    flat = place / "flat"
    flat.mkdir()
    for path in pictures().rglob("*.png"):
        Image.open(path).save(flat / path.name)
    data, sets = small_run(
        steps=60, sets=["objective.use=classifier", "optimizer.use=adamw", "optimizer.lr=1e-2"]
    )
    train(place / "classifier", data, sets)
    train(place / "model", flat, small_run(steps=4)[1])
    return place


def test_a_run_without_labels_is_guided_by_a_classifier_run(runs, monkeypatch):
    monkeypatch.chdir(runs)
    asked = ["sample", "model", "-n", "4", "--steps", "6", "--set", "guidances.g.use=classifier"]
    asked += ["--set", "guidances.g.model=classifier", "--set", "guidances.g.scale=20"]
    made = {}
    for name in ("above", "left"):
        cond = f"guidances.g.cond.class={name}"
        assert call(*asked, "--set", cond, "-o", f"made-{name}") == 0
        made[name] = examples(f"made-{name}")
    assert not same(made["above"], made["left"])

    def above(pictures):
        """How much brighter the upper half is than the left one."""
        stack = np.stack(list(pictures.values())).astype(float)
        return (stack[:, :4].mean((1, 2, 3)) - stack[:, :, :4].mean((1, 2, 3))).mean()

    assert above(made["above"]) > above(made["left"])


def test_a_model_that_is_no_classifier_is_refused(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    asked = "sample model -n 1 --set guidances.g.use=classifier --set guidances.g.model=model"
    assert call(*asked.split()) != 0
    assert "--objective classifier" in " ".join(capsys.readouterr().err.split())


def test_a_classifier_is_not_measured_as_if_it_made_something(runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert call("evaluate", "classifier", "-n", "2") == 2
    assert "neither samples nor reconstructions" in capsys.readouterr().err
