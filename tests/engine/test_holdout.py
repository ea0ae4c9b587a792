"""Held-out examples are never trained on, are no copies, and their losses are measured on the side."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from small import prepared, registry, small_run, train

from difftool.assemble import hold_out
from difftool.assemble.holdout import held_count
from difftool.config import config_from_dict, gather, resolve
from difftool.data.dataset import batches
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder
from difftool.engine.measuring import interval
from difftool.settings import TrainOptions

SETS = ["data.holdout=0.2", "train.evaluate_every=3", "train.best=true"]


def config_of(*sets: str, data=None):
    data = data or small_run()[0]
    layers = gather(registry(), "image", sets=[f'data.path="{data}"', *sets], project=None)
    return resolve("image", layers, registry())


def held_dataset(*sets: str, data=None):
    base, words = small_run()
    _, dataset, _ = prepared(data or base, words)
    return hold_out(config_of(*words, *sets, data=data), dataset)


def test_what_is_held_out_is_never_trained_on_and_the_rest_always_is():
    dataset = held_dataset("data.holdout=0.2")
    assert len(dataset.held) == 8
    order = dataset.order(seed=3, batch=8)
    seen = order.indices(0, 4 * 32)
    assert sorted(set(seen.tolist())) == sorted(set(range(40)) - set(dataset.held.tolist()))
    drawn = list(batches(dataset, seed=3, batch=8, start=0, stop=4))
    raw = {bytes(x) for batch in drawn for x in batch.x.numpy()}
    kept = {bytes(np.ascontiguousarray(x)) for x in dataset.cache.gather(dataset.held)}
    assert not raw & kept


def test_the_split_is_that_of_the_data_whatever_the_seed_of_the_run():
    one, other = (held_dataset("data.holdout=0.2", f"train.seed={seed}").held for seed in (0, 1))
    assert one.tolist() == other.tolist()


def test_a_near_copy_of_a_training_example_is_not_held_out(tmp_path):
    """Each of 30 pictures twice, once with a grain of noise, beside 10 that are alone."""
    rng, alone = np.random.default_rng(0), []
    for i in range(40):
        picture = rng.integers(0, 200, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{i:02d}.png")
        if i >= 10:
            Image.fromarray(picture + np.uint8(i % 2)).save(tmp_path / f"{i:02d}-again.png")
        else:
            alone.append(f"{i:02d}.png")
    dataset = held_dataset("data.holdout=0.4", data=tmp_path)
    names = sorted(path.name for path in tmp_path.iterdir())
    held = {names[i] for i in dataset.held}
    assert held
    assert held <= set(alone)


@pytest.mark.parametrize(
    ("asked", "count", "held"),
    [("auto", 799, 0), ("auto", 800, 40), ("auto", 10**6, 512), (0.0, 10**6, 0), (0.5, 10, 5)],
)
def test_how_many_are_held_out(asked, count, held):
    sets = [] if asked == "auto" else [f"data.holdout={asked}"]
    assert held_count(config_of(*sets), count) == held


def test_runs_from_before_there_was_a_holdout_train_on_everything():
    tables = config_of().to_dict()
    assert tables["data"].pop("holdout") == "auto"
    assert config_from_dict(tables, "old", registry()).data.holdout == 0


def levels(path) -> list[dict]:
    return [json.loads(line) for line in (path / "levels.jsonl").read_text().splitlines()]


def trained(path, sets, **how):
    """As ``small.train``, with the hold-out that commands apply."""
    data, words = small_run(sets=sets)
    stage, dataset, toml = prepared(data, words)
    dataset = hold_out(config_of(*words), dataset)
    resume, stop_at = how.get("resume", False), how.get("stop_at")
    folder = (
        RunFolder.open(path)
        if resume
        else RunFolder.create(path, toml, dataset.description, dataset.source)
    )
    done = [0]
    for progress in fit(
        stage,
        dataset,
        folder,
        resume=resume,
        stop=lambda: stop_at is not None and done[0] + 1 >= stop_at,
    ):
        done[0] = progress.step
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs") / "whole", SETS)


def test_losses_of_the_weights_and_of_every_average_are_measured(whole):
    rows = levels(whole)
    assert [row["step"] for row in rows] == [3, 6, 8]
    for row in rows:
        assert set(row["held"]) == set(row["trained"]) >= {"live", "halflife-6000", "power-0.05"}
        assert all(len(losses) == len(row["sigmas"]) for losses in row["held"].values())
        assert row["sigmas"] == sorted(row["sigmas"])
    assert rows[0]["held"]["live"] != rows[-1]["held"]["live"]
    assert RunFolder(whole).levels() == rows


def test_measuring_changes_no_weight(whole, tmp_path):
    quiet = trained(tmp_path / "quiet", ["data.holdout=0.2", "train.evaluate_every=0"])
    assert not (quiet / "levels.jsonl").exists()
    one, other = (load_file(path / "model.safetensors") for path in (whole, quiet))
    assert all(bool((one[name] == other[name]).all()) for name in one)


def test_a_resumed_run_has_the_rows_of_one_that_was_never_stopped(whole, tmp_path):
    stopped = trained(tmp_path / "stopped", SETS, stop_at=5)
    trained(stopped, SETS, resume=True)
    assert levels(stopped) == levels(whole)


def test_the_best_model_is_the_one_of_the_lowest_held_out_loss(whole):
    from difftool.header import MODEL, read_about

    rows = levels(whole)
    best = min(rows, key=lambda row: np.mean(row["held"]["halflife-6000"]))
    about = read_about(whole / "best.safetensors", MODEL)
    assert about["step"] == best["step"]
    assert (
        load_file(whole / "best.safetensors").keys()
        == load_file(whole / "model.safetensors").keys()
    )


def test_without_held_out_examples_nothing_is_measured(tmp_path):
    data, words = small_run(sets=["train.evaluate_every=3"])
    train(tmp_path / "run", data, words)
    assert not (tmp_path / "run" / "levels.jsonl").exists()


def test_measuring_takes_at_most_three_hundredths_of_the_evaluations():
    for batch in (4, 64, 512):
        every = interval(TrainOptions(batch=batch), averages=1, held=1000)
        evaluations = 2 * 48 * 8 * 2  # both sides, levels, the weights and an average
        assert evaluations / (3 * batch * every) < 0.03
    assert interval(TrainOptions(evaluate_every=0), 1, 1000) == 0
    assert interval(TrainOptions(evaluate_every=7), 1, 1000) == 7
    assert interval(TrainOptions(), 1, 0) == 0
