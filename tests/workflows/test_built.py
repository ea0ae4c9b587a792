"""Models in memory: what is built is what a training begins with, and what is opened is what is sampled."""

from __future__ import annotations

import numpy as np
import pytest
from small import pictures

import difftool
from difftool import ConfigError, Description, LabelColumn, UsageError

SMALL = {
    "size": 8,
    "backbone": {"channels": 8, "multipliers": [1, 2], "blocks": 1},
    "batch": 8,
    "preview": 0,
    "precision": "fp32",
    "device": "cpu",
    "sample": {"steps": 2},
    "train.log_every": 1,
    "steps": 3,
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return difftool.train(
        "image", pictures(), run=tmp_path_factory.mktemp("built") / "run", **SMALL
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return difftool.build("image", pictures(), **SMALL)


def test_its_steps_are_those_of_a_run(run, built):
    losses = [built.step(batch)["denoiser"].item() for batch in built.batches(3)]
    assert losses == [row["loss"] for row in run.metrics()]


def test_sampling_leaves_dropout_as_it_was(built):
    before = built.stage.denoiser.training
    assert len(built.sample(2)) == 2
    assert built.stage.denoiser.training == before


def test_an_opened_model_samples_what_the_model_samples(run):
    opened = run.model.open(device="cpu", sampler="ddim")
    asked = {"cond": {"class": ["above", "left"]}, "seed": 3, "start": 1}
    for steps in (2, 3):
        found = opened.sample(3, steps=steps, **asked)
        usual = run.model.sample(3, steps=steps, sampler="ddim", device="cpu", **asked)
        assert np.array_equal(found.examples, usual.examples)
        assert found.conditions == usual.conditions


def test_what_is_built_cannot_be_changed_by_sampling(run):
    with pytest.raises(UsageError, match=r"sampler belongs to a part of the model"):
        run.model.open().sample(1, sampler="heun")
    with pytest.raises(ConfigError, match="steps"):
        run.model.open().sample(1, steps=0)
    with pytest.raises(UsageError, match="loaded to sample"):
        run.model.open().step(next(difftool.data.open(pictures(), "image", size=8).batches(2, 1)))


def test_a_stage_of_a_cascade_is_built_of_a_description_alone():
    label = LabelColumn("class", names=("a", "b"), counts=(1, 1))
    described = Description((1, 32, 32), "uint8", 2, {"class": label})
    data = {"modality.channels": "grey", "conditions.class.use": "label", "device": "cpu"}
    model = difftool.build(
        cascade="image/16-32-64",
        stage="x2",
        description=described,
        backbone={"channels": 8},
        **data,
    )
    low = [np.zeros((1, 16, 16), np.uint8)]
    assert model.sample(1, steps=1, low=low, cond={"class": "b"})[0].shape == (1, 32, 32)
    with pytest.raises(UsageError, match="built without data"):
        model.batches()
    with pytest.raises(UsageError, match="It has: base, x2, x4"):
        difftool.build(cascade="image/16-32-64", stage="x8", description=described)


def test_data_is_a_sequence_of_raw_examples():
    data = difftool.data.open(pictures(), "image", size=8)
    assert data[0].shape == data.description.shape == data[-1].shape
    assert len(list(data)) == len(data)
    batches = list(data.batches(4, 2))
    assert [tuple(batch.x.shape) for batch in batches] == 2 * [(4, *data.description.shape)]
    assert set(batches[0].cond) == {"class"}


def test_a_part_is_built_by_itself():
    network = difftool.part("backbone", "dit", difftool.Interface((3, 8, 8)), width=64, depth=1)
    assert isinstance(network, difftool.Backbone)
    assert "dit" in difftool.parts("backbone")
    with pytest.raises(ConfigError, match="widht"):
        difftool.part("backbone", "dit", difftool.Interface((3, 8, 8)), widht=64)
