"""A run whose network is shown its own estimate: it trains, resumes exactly, and samples from its file."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import load_file
from small import call, examples, small_run, train

SETS = ["train.self_conditioning=true", "train.batch=8"]


def test_it_resumes_exactly_and_samples_do_not_depend_on_their_company(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = small_run(steps=4, sets=SETS)
    whole, parts = train(tmp_path / "whole", *data), train(tmp_path / "parts", *data, stop_at=2)
    train(parts, *data, resume=True)
    weights, resumed = (load_file(run / "model.safetensors") for run in (whole, parts))
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)
    stem = next(w for name, w in weights.items() if name.endswith("backbone.stem.weight"))
    assert stem.shape[1] == 2 * 3  # the picture, and the estimate of it
    for batch in (1, 3):
        assert call("sample", str(whole), "-n", "3", "--steps", "3", "--batch", str(batch)) == 0
    alone, together = (examples(f"{whole}/samples/{k}") for k in (1, 2))
    assert len(alone) == 3
    assert all(np.abs(alone[name].astype(int) - together[name]).max() <= 1 for name in alone)
