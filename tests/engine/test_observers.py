"""Observers: told of everything, in order; what one of them raises is reported once and ends nothing, except where a run could not be saved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import prepared, small_run, train

from difftool.engine import preview as preview_module
from difftool.engine.checkpoint import Saver
from difftool.engine.fit import fit
from difftool.engine.folder import RunFolder, checkpoints
from difftool.errors import DeviceError, NonFiniteLossError
from difftool.observer import Observer, Progress, Result, RunInfo


class Noting(Observer):
    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []

    def begin(self, run: RunInfo) -> None:
        self.told.append(("begin", run.first))

    def step(self, event: Progress) -> None:
        self.told.append(("step", event.step))
        self.last = event

    def saved(self, event: Progress) -> None:
        self.told.append(("saved", event.saved.stem))

    def sampled(self, event: Progress) -> None:
        self.told.append(("sampled", event.preview.name))

    def end(self, result: Result) -> None:
        self.told.append(("end", result.finished))
        self.result = result


class Failing(Observer):
    def step(self, event: Progress) -> None:
        raise ValueError("the server is away")


def observed(path, observers, *sets, report=None, stop=lambda: False):
    stage, dataset, toml = prepared(*small_run(4, list(sets)))
    folder = RunFolder.create(path, toml, dataset.description, dataset.source)
    return list(fit(stage, dataset, folder, observers=observers, report=report, stop=stop))


def test_observers_are_called_in_order(tmp_path):
    noting = Noting()
    observed(tmp_path / "run", [noting], "train.preview=2", "train.save_every=2")
    steps = [
        ("step", 1),
        ("step", 2),
        ("saved", "00000002"),
        ("step", 3),
        ("step", 4),
        ("saved", "00000004"),
    ]
    sheet = next((tmp_path / "run" / "samples").glob("preview-*")).name
    assert noting.told == [("begin", 0), *steps, ("sampled", sheet), ("end", True)]
    assert (noting.last.seen, noting.last.ending) == (32, True)
    assert noting.last.mean_loss == pytest.approx(noting.last.losses["denoiser"])


def test_a_failure_is_reported_once_and_changes_nothing(tmp_path):
    said, noting = [], Noting()
    events = observed(tmp_path / "run", [Failing(), noting], report=said.append)
    assert events[-1].step == 4
    assert said == ["Failing.step failed (ValueError: the server is away). Training continues."]
    assert noting.told[-1] == ("end", True)


def test_a_preview_that_fails_costs_no_training(tmp_path, monkeypatch):
    def broken(*args):
        raise RuntimeError("no room for a sheet")

    monkeypatch.setattr("difftool.engine.observers.preview", broken)
    with pytest.warns(UserWarning, match=r"MakePreviews\.step failed .*no room for a sheet"):
        assert observed(tmp_path / "run", [], "train.preview=2")[-1].saved


def test_a_save_that_fails_ends_the_run_and_observers_hear_of_it(tmp_path, monkeypatch):
    def broken(*args):
        raise NonFiniteLossError("lost")

    monkeypatch.setattr("difftool.engine.observers.require_finite", broken)
    noting = Noting()
    with pytest.raises(NonFiniteLossError):
        observed(tmp_path / "run", [noting])
    assert noting.told[-1] == ("end", False)
    assert isinstance(noting.result.error, NonFiniteLossError)


OUT = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def test_a_preview_takes_smaller_batches_where_the_memory_is_too_small(tmp_path, monkeypatch):
    whole, sizes = preview_module.generate, []

    def small(stage, request):
        sizes.append(request.batch)
        if request.batch > 1:
            raise DeviceError("Out of memory") from OUT
        return whole(stage, request)

    monkeypatch.setattr(preview_module, "generate", small)
    told = []
    observed(tmp_path / "run", [], "train.preview=4", report=told.append)
    assert sizes == [64, 2, 1]
    assert told == []
    assert list((tmp_path / "run" / "samples").iterdir())


def test_after_a_preview_that_found_no_memory_the_network_trains_on(tmp_path, monkeypatch):
    """With dropout as before: the weights are those of a run without previews."""

    def broken(stage, request):
        stage.denoiser.eval()
        raise DeviceError("Out of memory") from OUT

    monkeypatch.setattr(preview_module, "generate", broken)
    told = []
    with_previews = ["train.preview=1", "train.preview_every=1"]
    observed(tmp_path / "a", [], *with_previews, report=told.append)
    observed(tmp_path / "b", [])
    assert len(told) == 1
    one, other = (load_file(tmp_path / run / "model.safetensors") for run in "ab")
    assert all(torch.equal(one[name], other[name]) for name in other)


def test_a_save_that_finds_no_memory_is_left_out_and_the_next_one_is_made(tmp_path, monkeypatch):
    copy, tried, told = Saver._copy, [], []

    def scarce(self, state):
        tried.append(None)
        if len(tried) == 1:
            raise OUT
        copy(self, state)

    monkeypatch.setattr(Saver, "_copy", scarce)
    observed(tmp_path / "run", [], "train.save_every=2", report=told.append)
    (said,) = told
    assert "Step 2 is not saved" in said
    assert "step 4 is saved next" in said
    assert [path.stem for path in checkpoints(tmp_path / "run" / "checkpoints")] == ["00000004"]


def test_a_run_that_is_stopped_has_no_error_and_is_not_finished(tmp_path):
    noting = Noting()
    assert observed(tmp_path / "run", [noting], stop=lambda: True)[-1].step == 1
    assert (noting.result.error, noting.result.finished) == (None, False)


def test_the_first_loss_is_written_early(tmp_path):
    observed(tmp_path / "run", [], "train.log_every=50")
    assert [row["step"] for row in RunFolder(tmp_path / "run").metrics()] == [1, 2, 4]


# --- a resumed run's records --------------------------------------------------------------------------------------------


def rows(run: Path) -> list[tuple]:
    """Step, loss and learning rate of each row: all but the speed, which no two runs share."""
    return [(row["step"], row["loss"], row["lr"]) for row in RunFolder.open(run).metrics()]


@pytest.mark.parametrize("stop_at", [1, 3, 4, 5, 6])
def test_the_metrics_of_a_resumed_run_are_those_of_one_left_alone(tmp_path, stop_at):
    data, sets = small_run(steps=9, sets=["train.log_every=4", "train.save_every=3"])
    whole = train(tmp_path / "whole", data, sets)
    train(tmp_path / "part", data, sets, stop_at=stop_at)
    assert rows(tmp_path / "part")[-1][0] == stop_at  # whoever stops a run is shown how far it came
    train(tmp_path / "part", data, sets, resume=True)
    assert rows(tmp_path / "part") == rows(whole)


def test_what_a_kill_kept_from_being_written_is_written_by_the_resumed_run(tmp_path):
    """The row and the sheet of the step whose checkpoint is there already."""
    data, sets = small_run(
        steps=8, sets=["train.preview=2", "train.preview_every=4", "train.log_every=4"]
    )
    run = train(tmp_path / "run", data, sets, stop_at=4)
    before, sheet = rows(run), next((run / "samples").glob("preview-00000004*"))
    picture = sheet.read_bytes()
    sheet.unlink()
    (run / "metrics.jsonl").write_text(
        "".join(line + "\n" for line in (run / "metrics.jsonl").read_text().splitlines()[:-1])
    )
    train(run, data, sets, resume=True)
    assert rows(run)[: len(before)] == before
    assert sheet.read_bytes() == picture
