"""A control branch: the identity at first, for networks of every kind, and sampling by a file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small import SETS, alike, call, examples, pictures, registry, same

from difftool import UsageError
from difftool.nn.backbone import Interface, Signals
from difftool.nn.control import Controlled
from difftool.nn.operators import edges, mapped, mean, melody, outline, require_operator, width_of

WORDS = [word for setting in SETS for word in ("--set", setting)]
QUICK = ("--set", "train.precision=fp32", "--set", "train.batch=4")

SMALL = {
    "unet": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8},
    "edm2": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8},
    "adm": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8},
    "dit": {"width": 24, "depth": 3, "head_width": 12, "patch": (2,)},
    "mmdit": {"width": 24, "depth": 2, "head_width": 12, "patch": (2,)},
    "uvit": {"width": 24, "depth": 5, "head_width": 12, "patch": (2,)},
}


@pytest.mark.parametrize("name", SMALL)
def test_a_new_branch_changes_nothing_and_its_joins_learn(name):
    spec = registry().get("backbone", name)
    options, target = registry().options(spec)(**SMALL[name]), registry().load(spec)
    shape = (3, 8, 8)
    torch.manual_seed(0)
    alone, whole = Interface(shape, vector=4), Interface(shape, vector=4, channels=1)
    network, copy = target(options, alone), target(options, whole)
    for parameter in network.parameters():  # layers that start at zero would hide everything
        torch.nn.init.normal_(parameter, std=0.2)
    controlled = Controlled(network, copy, whole, 1).eval()
    controlled.start()
    x, c_noise, vector = torch.randn(2, *shape), torch.tensor([0.3, -0.2]), torch.randn(2, 4)
    plain = network(x, c_noise, Signals(vector))
    shown = Signals(vector, channels=torch.randn(2, 1, 8, 8))
    assert torch.equal(controlled(x, c_noise, shown), plain)
    controlled(x, c_noise, shown).square().sum().backward()
    assert all(join.weight.grad.abs().sum() > 0 for join in controlled.joins)
    for join in controlled.joins:
        torch.nn.init.normal_(join.weight, std=0.5)
    assert not torch.allclose(controlled(x, c_noise, shown), plain)
    controlled.scale = 0.0
    assert torch.equal(controlled(x, c_noise, shown), plain)
    assert torch.equal(network(x, c_noise, Signals(vector)), plain), "no hook stays"


MORE = {
    "unet3d": ({"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8}, (3, 4, 8, 8)),
    "egnn": ({"layers": 3, "features": 16, "embedding": 16}, (None, 8)),
}


@pytest.mark.parametrize("name", MORE)
def test_a_new_branch_of_clips_and_of_points_changes_nothing_and_learns(name):
    """The copy has a layer for the map that the network lacks, or blocks of tokens."""
    settings, shape = MORE[name]
    spec = registry().get("backbone", name)
    options, target = registry().options(spec)(**settings), registry().load(spec)
    torch.manual_seed(0)
    network, copy = target(options, Interface(shape)), target(options, Interface(shape, channels=1))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    controlled = Controlled(network, copy, Interface(shape, channels=1), 1).eval()
    controlled.start()
    x = torch.randn(2, *(n or 5 for n in shape))
    if shape[0] is None:
        x[..., :3] -= x[..., :3].mean(1, keepdim=True)
    places = x.shape[1:2] if shape[0] is None else x.shape[2:]
    shown, c_noise = Signals(channels=torch.randn(2, 1, *places)), torch.tensor([0.3, -0.2])
    torch.testing.assert_close(controlled(x, c_noise, shown), network(x, c_noise, Signals()))
    controlled(x, c_noise, shown).square().sum().backward()
    assert all(join.weight.grad.abs().sum() > 0 for join in controlled.joins)


def test_maps_of_points_do_not_turn_with_them():
    x = torch.randn(2, 5, 7)
    turn, _ = torch.linalg.qr(torch.randn(3, 3))
    turned = torch.cat((x[..., :3] @ turn, x[..., 3:]), -1)
    mask = torch.arange(5)[None, :, None] < torch.tensor([5, 3])[:, None, None]
    for operator, width in {"outline": 1, "features": 4}.items():
        found = mapped(operator, x, mask, places=3)
        assert found.shape == (2, width, 5)
        assert found.shape[1] == width_of(operator, (None, 7), 3)
        torch.testing.assert_close(found, mapped(operator, turned, mask, places=3))
        assert not found[1, :, 3:].any()
    with pytest.raises(UsageError, match="not a map of points"):
        require_operator("edges", (None, 7), 3)


def test_maps_are_what_they_say():
    x = torch.zeros(1, 2, 4, 6)
    x[..., 3:] = 1.0
    found = edges(x)
    assert found.shape == (1, 1, 4, 6)
    assert (found[0, 0, :, 2:4] > 0.7).all()
    assert found[..., :2].abs().max() == found[..., 4:].abs().max() == 0
    assert torch.equal(edges(x.transpose(2, 3)), found.transpose(2, 3))
    assert torch.equal(mean(x)[0, 0], x[0, 0])
    assert torch.equal(outline(x)[0, 0, 0], x[0, 0, 0])
    mask = torch.ones(1, 1, 4, 6, dtype=torch.bool)
    mask[..., 3:] = False
    assert mapped("edges", x, mask)[..., 3:].abs().max() == 0


def test_a_melody_is_the_lowest_strong_peak_of_each_time_whatever_the_harmonics():
    x = torch.rand(1, 2, 9, 6) * 0.1
    for time, band in enumerate((2, 3, 5)):
        x[..., band, time] = 0.8
        x[..., 7, time] = 1.0  # a harmonic is stronger
    x[..., 3:] -= 1  # silence
    found = melody(x)
    assert found.shape == (1, 1, 9, 6)
    assert found.nonzero()[:, 2:].tolist() == [[2, 0], [3, 1], [5, 2]]
    torch.testing.assert_close(found.square().mean(2), torch.tensor([[[1.0, 1, 1, 0, 0, 0]]]))
    with pytest.raises(UsageError, match="needs bands over time"):
        require_operator("melody", (1, 16_000), 0)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["-m", "image", str(pictures()), *WORDS, "--steps", "4", "--run", "runs/first"]
        words += ["--set", "optimizer.warmup=0", "--set", "optimizer.lr=0.02"]
        assert call("train", *words) == 0
        words = ["first", str(pictures()), "--method", "control", "--steps", "4", *QUICK]
        more = [
            "--set",
            "train.save_every=2",
            "--set",
            "optimizer.warmup=0",
            "--set",
            "optimizer.lr=0.1",
        ]
        assert call("finetune", *words, *more, "--run", "runs/edges") == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def sampled(*words: str, to: str) -> dict[str, np.ndarray]:
    shape = ("-n", "2", "--steps", "3", "--precision", "fp32", "--cond", "class=left")
    assert call("sample", *words, *shape, "-o", to) == 0
    return examples(to)


def test_samples_follow_the_map_of_a_file_and_without_it_are_those_of_the_model(capsys):
    first, second = sorted(pictures().rglob("*.png"))[:2]
    one = sampled("edges", "--control", str(first), to="one")
    other = sampled("edges", "--control", str(second), to="other")
    assert not same(one, other)
    assert same(
        sampled("edges", "--control", str(first), "--control-scale", "0", to="none"),
        sampled("first", to="plain"),
    )
    assert call("sample", "edges", "-o", "no") == 2
    assert "with --control FILE" in " ".join(capsys.readouterr().err.split())
    assert call("sample", "first", "--control", str(first), "-o", "no") == 2
    assert "has no control branch" in capsys.readouterr().err


@pytest.mark.heavy
def test_several_branches_add_up(capsys):
    more = ["--set", "optimizer.warmup=0", "--set", "optimizer.lr=0.1"]
    more += ["--set", "objective.operator=mean", "--method", "control", "--steps", "4"]
    assert call("finetune", "first", str(pictures()), *more, *QUICK, "--run", "runs/grey") == 0
    first, second = map(str, sorted(pictures().rglob("*.png"))[:2])
    one = ("edges", "--control", first)
    both = sampled(*one, "--branch", f"runs/grey={second}:0.5", to="both")
    swapped = ("grey", "--control", second, "--control-scale", "0.5")
    assert same(both, sampled(*swapped, "--branch", f"runs/edges={first}", to="swapped"))
    alone = sampled(*one, to="alone")
    assert not same(both, alone)
    assert same(alone, sampled(*one, "--branch", f"runs/grey={second}:0", to="weightless"))
    capsys.readouterr()
    assert call("sample", *one, "--branch", f"runs/first={second}", "-o", "no") == 2
    assert "no control branch beside the same network" in " ".join(capsys.readouterr().err.split())
    assert call("sample", *one, "--branch", "runs/grey", "-o", "no") == 2


def test_the_model_is_frozen_and_a_stopped_run_ends_with_the_same_bits(tmp_path):
    base = load_file("runs/first/model.safetensors")
    whole = load_file("runs/edges/model.safetensors")
    for name, tensor in base.items():
        kept = name.replace("backbone.", "backbone.network.", 1)
        assert torch.equal(tensor, whole[kept])
    shutil.copytree("runs/edges", "runs/parts")
    *_, newest = sorted(Path("runs/parts/checkpoints").glob("*.safetensors"))
    newest.unlink()
    assert call("resume", "parts") == 0
    assert alike("edges", "parts")
    assert call("finetune", "edges", str(pictures())) == 2
