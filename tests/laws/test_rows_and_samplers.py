"""Every row of the process with every sampler: a model that was trained for seconds draws its data, and stays where they lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small import registry, small_run, train

from difftool.assemble import load_stage
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.extent import Extent
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.space import Euclidean

ROWS = [
    name if name == "eps" else pytest.param(name, marks=pytest.mark.heavy)
    for name in registry().names("process")
]
"""By default the row that needs help; seconds of training each."""

SAMPLERS = [name for name in registry().names("sampler") if name != "one_step"]
"""All but the one that needs a model whose one step goes all the way."""
CLASSES = ("above", "left")
STEPS = {"langevin": 60, "predictor_corrector": 60, "sa_solver": 40}
"""Steps of samplers that follow the levels slowly, or extrapolate far; 20 of the others."""

BOX = Extent(rms=0.8, low=-1.0, high=0.6)


@pytest.fixture(scope="module", params=ROWS)
def trained(request, tmp_path_factory):
    """A row's model of the small pictures, one bright above and one bright on the left."""
    steps = 200 if request.param == "eps" else 400
    data, sets = small_run(
        steps,
        [
            f"process.use={request.param!r}",
            "backbone.channels=16",
            "backbone.dropout=0",
            "backbone.attention=0",
            "modality.augment=0",
            "density.stratified=true",
            "train.batch=16",
            f"train.save_every={steps}",
            "optimizer.lr=0.004",
            "optimizer.warmup=160",
            "ema.power=[]",
            "ema.halflife=[400]",
        ],
    )
    folder = train(tmp_path_factory.mktemp(request.param) / "run", data, sets)
    return folder / "model.safetensors"


def drawn(path, sampler, clip="auto"):
    """Eight samples of each class in turn, ``[n, 3, 8, 8]`` in bytes."""
    stage = load_stage(path, registry(), device="cpu", overrides={"sampler": {"use": sampler}})
    guidance = ClassifierFree(GuidanceOptions(clip=clip))
    steps = STEPS.get(sampler, 20)
    asked = SampleRequest(n=16, steps=steps, guidance=guidance, cond={"class": CLASSES})
    return np.stack([one.example for one in generate(stage, asked)]).astype(float)


def drawn_as_asked(x):
    """The share whose bright half is the one of its label."""
    above, left = x[:, :, :4].mean((1, 2, 3)), x[:, :, :, :4].mean((1, 2, 3))
    return np.mean((above > left) == (np.arange(len(x)) % 2 == 0))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_are_of_their_class_and_lie_where_the_data_do(trained, sampler):
    """The data are bytes from 0 to 209: two levels, 30 and 180 in the mean. Saturated noise is 0 and 255."""
    x = drawn(trained, sampler)
    assert drawn_as_asked(x) >= 0.9
    assert np.mean(x > 240) < 0.15
    assert 70 < x.mean() < 140
    assert 40 < x.std() < 100


def test_a_row_that_amplifies_no_error_is_left_alone(trained):
    stage = load_stage(trained, registry(), device="cpu")
    row, schedule = stage.process.preconditioning, stage.process.schedule
    amplifies = any(row.amplifies(sigma) for sigma in schedule.sigmas(20)[:-1])
    assert (Extent.from_measured(stage.description.measured) is not None) == amplifies
    if not amplifies:
        assert np.array_equal(drawn(trained, "euler"), drawn(trained, "euler", clip=0.0))


def test_the_row_that_predicts_noise_needs_it():
    """Its errors grow with sigma; those of the others never exceed what the data are."""
    found = {}
    for name in ("edm", "eps", "v", "flow", "x0"):
        spec = registry().process(name)
        schedule = registry().get("schedule", spec.schedule)
        built = registry().load(schedule)(registry().options(schedule)())
        row = registry().load(spec)(registry().options(spec)(), built)
        found[name] = [row.amplifies(sigma) for sigma in (0.01, 0.99, 1.01, 50.0, 1000.0)]
    assert found.pop("eps") == [False, False, True, True, True]
    assert not any(any(levels) for levels in found.values())


def test_an_estimate_outside_comes_inside_and_nearer_to_any_mean_of_the_data():
    torch.manual_seed(0)
    space = Euclidean()
    data = torch.rand(8, 3, 4) * 1.6 - 1
    data *= (BOX.rms / space.mean_square(data).sqrt()).clamp(max=1).reshape(-1, 1, 1)
    estimate = 5 * torch.randn(8, 3, 4)
    inside = space.limit(estimate, BOX)
    assert inside.min() >= BOX.low
    assert inside.max() <= BOX.high
    assert (space.mean_square(inside).sqrt() <= BOX.rms * 1.000001).all()
    torch.testing.assert_close(space.limit(inside, BOX), inside)
    torch.testing.assert_close(space.limit(data, BOX), data)
    for target in (data, data.mean(0, keepdim=True)):
        before, after = (space.mean_square(x - target) for x in (estimate, inside))
        assert (after < before).all()


def test_padding_stays_nothing_where_zero_is_not_a_value_of_the_data():
    mask = torch.tensor([[[True, True, False]]])
    x = torch.tensor([[[9.0, -9.0, 0.0]]])
    kept = Euclidean().limit(x, Extent(rms=4.0, low=1.0, high=3.0), mask)
    assert kept.flatten().tolist() == [3.0, 1.0, 0.0]


def test_a_clip_that_was_asked_for_is_what_is_used(trained):
    stage = load_stage(trained, registry(), device="cpu")
    for clip, limited in (("auto", True), (0.0, False), (2.0, False)):
        assert ClassifierFree(GuidanceOptions(clip=clip)).limited is limited
    wild = replace(stage, description=replace(stage.description, measured={}))
    request = SampleRequest(n=2, steps=4, seed=3)
    assert len(list(generate(wild, request))) == 2, (
        "a model that was trained before it was measured"
    )
