"""The best model is kept by a metric of samples, where train.best names one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from measures import BRIGHTNESS, give_metrics
from small import SETS, call, pictures

import difftool_image.plugin
from difftool.errors import UsageError
from difftool.header import MODEL, read_about
from difftool.plugin.registry import Registry
from difftool.workflows.best import Wanted, wanted

WORDS = [word for setting in [*SETS, "train.evaluate_every=2"] for word in ("--set", setting)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("frechet", Wanted("frechet", "distance", False)),
        ("coverage", Wanted("coverage", "coverage", True)),
        ("patches", Wanted("patches", "distance", False)),
        ("+agreement.class_right", Wanted("agreement", "class_right", True)),
        ("-kernel.kid", Wanted("kernel", "kid", False)),
    ],
)
def test_a_metric_says_which_way_is_better_or_the_user_does(text, found):
    assert wanted(text, "image", Registry.load_all()) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fid", "names no metric"),
        ("agreement", "which number"),
        ("colour.contrast", "which number"),
    ],
)
def test_what_is_not_clear_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        wanted(text, "image", Registry.load_all())


@pytest.mark.parametrize("sign", ["-", pytest.param("+", marks=pytest.mark.heavy)])
def test_the_model_of_the_best_number_is_kept(sign, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    give_metrics(monkeypatch, difftool_image.plugin, [BRIGHTNESS])
    best = f'train.best="{sign}brightness.mean"'
    train = ["train", "-m", "image", str(pictures()), *WORDS, "--set", best]
    assert call(*train, "--set", "data.holdout=0", "--steps", "6", "--run", "a") == 0
    rows = [json.loads(line) for line in Path("a/levels.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4, 6]
    scores = [row["score"] for row in rows]
    assert len(set(scores)) == 3
    kept = read_about(Path("a/best.safetensors"), MODEL)["step"]
    assert kept == rows[int(np.argmin(scores))]["step"]
