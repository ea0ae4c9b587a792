"""A student of a run that samples in a few evaluations, through the command line."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import tomli_w
import torch
from safetensors.torch import load_file
from small import SETS, alike, call, examples, pictures, registry

import difftool
from difftool.assemble.parts import build_process
from difftool.config import file_layer, flag_layer, resolve
from difftool.plain import parse_toml
from difftool.rng import Stream
from difftool.workflows.beside import seeds_shown
from difftool.workflows.distill import Distillation
from difftool.workflows.keywords import installed
from difftool.workflows.methods import methods, served, student_tables
from difftool.workflows.text import seconds_of
from difftool_image.grid import GAP, sheet

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the teacher ``runs/first``, trained for ten steps."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        words = ["-m", "image", str(pictures()), *WORDS, "--steps", "10", "--run", "runs/first"]
        assert call("train", *words) == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def test_the_student_is_an_ordinary_run_that_samples_in_two_steps(capsys):
    words = ["--method", "consistency", "--steps", "6", "--json"]
    assert call("distill", "first", *words) == 0
    assert json.loads(capsys.readouterr().out)["run"] == "runs/first-distilled"
    config = parse_toml(Path("runs/first-distilled/config.toml").read_text())
    assert (config["objective"]["use"], config["sampler"]["use"]) == ("consistency",) * 2
    assert (config["sample"]["steps"], config["train"]["steps"]) == (2, 6)
    assert config["backbone"]["channels"] == 8
    teacher = parse_toml(Path("runs/first/config.toml").read_text())
    assert config["optimizer"]["lr"] == teacher["optimizer"]["lr"] / 4
    assert config["optimizer"]["warmup"] == round(teacher["optimizer"]["warmup"] * 6 / 10)
    assert call("sample", "first-distilled", "-n", "2", "-o", "two") == 0
    assert len(examples("two")) == 2
    assert call("sample", "first-distilled", "-n", "2", "--steps", "1", "-o", "one") == 0
    assert "is good at" not in capsys.readouterr().err
    assert call("sample", "first-distilled", "-n", "2", "--steps", "9", "-o", "nine") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "is good at 1, 2 or 4 steps, and 9 are asked for. Choose one of these" in said
    assert "Error" not in said
    # the next name is taken where this one is
    assert Distillation("first").run() == Path("runs/first-distilled-2")


@pytest.mark.parametrize(
    ("optimizer", "method", "share"),
    [("adamw", "progressive", 0.25), ("muon", "progressive", 0.75), ("muon", "sfd", 0.25)],
)
def test_the_learning_rate_of_a_student_suits_its_optimizer(optimizer, method, share):
    parts, own = installed(), file_layer(Path("runs/first/config.toml"))
    teacher = resolve(None, [own, flag_layer([], [f"optimizer.use={optimizer}"])], parts)
    tables = student_tables(teacher, Path("none"), methods(parts)[method], 2, False, parts)
    assert tables["optimizer"]["lr"] == share * teacher.optimizer.options.model_dump()["lr"]


def test_a_student_that_was_stopped_ends_with_the_same_bits():
    shutil.copytree("runs/first-distilled", "runs/whole")
    *_, newest = sorted(Path("runs/whole/checkpoints").glob("*.safetensors"))
    newest.unlink()
    Path("runs/whole/model.safetensors").unlink()
    assert call("resume", "whole") == 0
    assert alike("whole", "first-distilled")


def test_a_student_starts_as_its_teacher():
    student = difftool.distill("first", steps=1, to="runs/start", optimizer={"lr": 1e-12})
    theirs, ours = (
        load_file(path / "model.safetensors") for path in (Path("runs/first"), student.path)
    )
    assert theirs.keys() == ours.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-6, rtol=1e-5)


def test_no_evaluation_is_spent_at_the_lowest_level():
    """The second of two levels is near the standard deviation of the data, whatever the process."""
    for row in ("edm", "eps", "v", "flow", "x0"):
        _of_process(row)
        process = build_process(Distillation(row, "consistency").config(registry()), registry())
        first, second, last = process.schedule.sigmas(2)
        data = process.preconditioning.sigma_data
        assert (first, last) == (pytest.approx(process.schedule.sigma_max), 0)
        assert 0.3 * data < second < 10 * data
        highest = process.density.draw(2000, Stream(0, "levels")).max().item()
        assert highest > process.schedule.sigma_max / 4


def _of_process(name):
    """A folder like that of a run of this process, whose model was never trained."""
    folder = Path("runs") / name
    folder.mkdir(exist_ok=True)
    teacher = parse_toml(Path("runs/first/config.toml").read_text())
    own = ("density", "weighting", "schedule", "sampler", "guidance")
    kept = {key: table for key, table in teacher.items() if key not in own}
    (folder / "config.toml").write_text(tomli_w.dumps({**kept, "process": {"use": name}}))
    (folder / "model.safetensors").touch()
    return folder


def test_a_process_without_noise_has_no_path_to_learn(capsys):
    folder = _of_process("cold")
    assert call("distill", folder.name) == 2
    assert "adds no noise, because its process is cold" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("sets", "fact"),
    [
        (["density.high=1.0"], "part of the noise levels"),
        (["train.self_conditioning=true"], "its own estimate"),
    ],
)
def test_what_cannot_be_distilled_is_refused_before_anything_is_loaded(sets, fact, capsys):
    name = f"runs/{sets[0].partition('.')[0]}"
    Path(name).mkdir()
    key, _, value = sets[0].partition("=")
    table, _, key = key.partition(".")
    tables = parse_toml(Path("runs/first/config.toml").read_text())
    tables[table] |= {key: json.loads(value)}
    Path(name, "config.toml").write_text(tomli_w.dumps(tables))
    assert call("distill", name) == 2
    assert fact in " ".join(capsys.readouterr().err.split())
    assert not Path(f"{name}-distilled").exists()


def _two(name):
    """The words that train a cascade of two stages: the second refines the first."""
    Path("two.toml").write_text(
        f'modality = "image"\ndata = "{pictures().as_posix()}"\n'
        '[[stage]]\nname = "base"\n[stage.modality]\nsize = 4\n'
        '[[stage]]\nname = "fine"\n[stage.modality]\nsize = 8\n'
        '[stage.bridge]\nuse = "resample"\nfactors = [1, 2, 2]\n'
    )
    return ["train", "two.toml", "--run", name, "--steps", "3", *_sized(WORDS)]


def test_the_stages_of_a_cascade_have_students_that_are_a_cascade(capsys):
    """The student of the second stage is shown the same input as its teacher."""
    train = _two("runs/two")
    assert call(*train, "--stage", "base") == 0
    assert call("distill", "two") == 2
    assert "fine has no model" in " ".join(capsys.readouterr().err.split())
    assert call(*train) == 0
    assert call("distill", "two", "--steps", "2") == 0
    config = parse_toml(Path("runs/two-distilled/fine/config.toml").read_text())
    assert config["objective"]["use"] == "progressive"
    assert config["optimizer"]["cycles"] == config["objective"]["rounds"] == 3
    assert config["bridge"]["use"] == "resample"
    assert call("sample", "two-distilled", "-n", "2", "-o", "chained") == 0
    assert len(examples("chained")) == 2


@pytest.mark.heavy  # two stages are trained twice
def test_a_cascade_is_distilled_from_python_and_over_devices(capsys):
    assert call(*_two("runs/pair")) == 0
    students = difftool.distill("runs/pair", steps=2, to="runs/pair-python", seed=3)
    assert students.path == Path("runs/pair-python")
    assert len(students.model.sample(2)) == 2
    for stage in ("base", "fine"):
        config = parse_toml((students.path / stage / "config.toml").read_text())
        assert (config["train"]["steps"], config["train"]["seed"]) == (2, 3)
    words = ["--steps", "2", "--devices", "2", "--run", "runs/pair-devices"]
    capsys.readouterr()
    assert call("distill", "pair", *words, "--json") == 0
    stages = json.loads(capsys.readouterr().out)["stages"]
    assert [stage["stage"] for stage in stages] == ["base", "fine"]
    assert call("sample", "pair-devices", "-n", "2", "-o", "from-devices") == 0
    assert len(examples("from-devices")) == 2


@pytest.mark.heavy  # two stages are planned, timed and trained
def test_the_stages_of_a_cascade_share_a_budget(capsys):
    assert call(*_two("runs/brief-teacher")) == 0
    assert call("distill", "brief-teacher", "--budget", "2s", "--run", "runs/two-brief") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("fill 1s") == 2
    assert call("sample", "two-brief", "-n", "1", "-o", "brief-chain") == 0


def test_a_student_of_low_rank_has_a_whole_model_and_a_small_file_beside_it(capsys):
    words = ["--steps", "2", "--rank", "2", "--run", "runs/ranked"]
    assert call("distill", "first", *words) == 0
    model, teacher = (load_file(f"runs/{run}/model.safetensors") for run in ("ranked", "first"))
    assert {name: t.shape for name, t in model.items()} == {n: t.shape for n, t in teacher.items()}
    capsys.readouterr()
    assert call("sample", "ranked", "-n", "1", "--steps", "3", "-o", "ranked-three") == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "ranked is good at 2 steps, and 3 are asked for. Distill with --evaluations 3" in said
    small = load_file("runs/ranked/adapter.safetensors")
    assert all("lora_" in name for name in small)
    assert sum(t.numel() for t in small.values()) < sum(t.numel() for t in teacher.values()) / 2
    assert call("sample", "ranked", "-n", "1", "-o", "ranked-one") == 0
    assert call("distill", "first", "--rank", "2", "--method", "consistency") == 2
    assert "learns all weights" in " ".join(capsys.readouterr().err.split())
    assert call("distill", "first", "--rank", "2", "--method", "mean-flow") == 2
    assert "input that the teacher's has not" in " ".join(capsys.readouterr().err.split())


def _sized(words):
    """The settings without the size, which each stage has of its own."""
    sets = [word for word in words if word != "--set" and not word.startswith("modality.size")]
    return [word for one in sets for word in ("--set", one)]


def test_a_budget_is_turned_into_steps(capsys):
    words = ["--budget", "1s", "--method", "consistency", "--run", "runs/brief"]
    assert call("distill", "first", *words) == 0
    steps = parse_toml(Path("runs/brief/config.toml").read_text())["train"]["steps"]
    assert f"{steps} steps of" in capsys.readouterr().err
    assert call("distill", "first", "--budget", "soon") == 2
    assert call("distill", "first", "--budget", "1s", "--steps", "3") == 2


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("10m", 600), ("1h30m", 5400)])
def test_a_duration_is_read_as_it_is_written(text, seconds):
    assert seconds_of(text) == seconds


def test_a_teacher_that_is_gone_or_another_is_named_on_resume(capsys):
    shutil.copytree("runs/first", "runs/short-lived")
    words = ["--method", "progressive", "--steps", "4", "--set", "train.save_every=2"]
    assert call("distill", "short-lived", *words) == 0
    *_, newest = sorted(Path("runs/short-lived-distilled/checkpoints").glob("*.safetensors"))
    newest.unlink()
    model = Path("runs/short-lived/model.safetensors")
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    assert call("resume", "short-lived-distilled") == 2
    assert "has changed since this run began" in " ".join(capsys.readouterr().err.split())
    model.unlink()
    assert call("resume", "short-lived-distilled") == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"The teacher {model.absolute()} is missing" in said


def test_every_objective_that_distills_is_a_method():
    """It gets the teacher, its guidance and the steps where it has options for them."""
    for name in methods(registry()):
        config = Distillation("first", name, evaluations=1).config(registry())
        assert config.objective.use == name
        assert config.sample.steps == (4 if name == "guided" else 1)  # the teacher's, or one
        options = config.objective.options.model_dump()
        assert options.get("evaluations", 1) == 1
        if "teacher" in options:
            assert Path(options["teacher"]).name == "model.safetensors"
            assert options["guidance"] == 1.5
            scale = config.guidance.options.model_dump()["scale"]
            assert (config.guidance.use, scale) in (("cfg", 1), ("folded", 1.5))
        assert served(config, registry()) in ((), (1,), (1, 2, 4))


@pytest.mark.heavy  # the contract of objectives resumes both players too
def test_two_players_train_a_student_that_continues_to_the_bit():
    words = ["--method", "distribution-matching", "--steps", "6", "--set", "train.save_every=3"]
    assert call("distill", "first", *words, "--run", "runs/matched") == 0
    shutil.copytree("runs/matched", "runs/matched-whole")
    *_, newest = sorted(Path("runs/matched/checkpoints").glob("*.safetensors"))
    newest.unlink()
    Path("runs/matched/model.safetensors").unlink()
    assert call("resume", "matched") == 0
    assert alike("matched", "matched-whole")


def test_an_unknown_method_is_refused_with_those_that_there_are(capsys):
    assert call("distill", "first", "--method", "magic") == 2
    assert "consistency, " in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("method", ["mean-flow", "guided"])
def test_a_network_that_is_told_more_starts_as_its_teacher_and_samples(method):
    """What it is told is added to the global vector, with weights of zero at first."""
    folder = Path(f"runs/{method}")
    student = difftool.distill("first", method=method, steps=1, to=folder, optimizer={"lr": 1e-12})
    theirs, ours = (load_file(path / "model.safetensors") for path in (Path("runs/first"), folder))
    told = {name for name in ours if name.startswith("told.")}
    assert ours.keys() - told == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-6, rtol=1e-5)
    assert all(ours[name].abs().max() < 1e-9 for name in told if ".outer." in name)
    assert len(student.model.sample(2, steps=2)) == 2


def test_a_student_and_its_teacher_are_measured_in_one_table(capsys):
    words = [
        "-n",
        "4",
        "--metrics",
        "patches",
        "--beside",
        "first",
        "--beside",
        "first-distilled@1,4",
    ]
    assert call("evaluate", "first-distilled", *words, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    steps = [(one["name"], one["samples"]["steps"]) for one in found["beside"]]
    assert steps == [("first", 4), ("first-distilled", 1), ("first-distilled", 4)]
    # guidance of 1.5 doubles those of both, because this method does not fold it in
    counts = [one["samples"]["evaluations"] for one in [found, *found["beside"]]]
    assert (found["name"], counts) == ("first-distilled", [4, 8, 2, 8])
    assert [one["rows"][0]["name"] for one in found["beside"]] == [found["rows"][0]["name"]] * 3
    assert Path(found["beside_sheet"]).is_file()
    report = Path("runs/first-distilled/report.html").read_text()
    assert "first in 4 steps" in report
    assert "Samples of the same seeds" in report
    assert "Quality against evaluations" in report
    assert "distance to the data" in re.sub(r"<!--|-->", "", report)
    assert call("evaluate", "first-distilled", "--beside", "first@many") == 2


@pytest.mark.parametrize("models", range(2, 10))
def test_no_seed_is_split_between_two_rows_of_the_sheet(models):
    tile = np.zeros((1, 32, 32), np.uint8)
    one, many = sheet([tile]), sheet([tile] * (models * seeds_shown(models, samples=500)))
    columns = (many.width - GAP) // (one.width - GAP)
    assert columns % models == 0
    assert many.width == GAP + columns * (one.width - GAP)
    assert [seeds_shown(models, samples) for samples in (1, models)] == [1, models]


def test_a_teacher_that_is_held_is_not_missed():
    """A stopped student ends with the same bits, whether its teacher is there or not."""
    shutil.copytree("runs/first", "runs/brief-teacher")
    words = ["--hold", "--steps", "4", "--set", "train.save_every=2"]
    assert call("distill", "brief-teacher", *words, "--run", "runs/held") == 0
    shutil.copytree("runs/held", "runs/held-whole")
    *_, newest = sorted(Path("runs/held/checkpoints").glob("*.safetensors"))
    newest.unlink()
    Path("runs/held/model.safetensors").unlink()
    shutil.rmtree("runs/brief-teacher")
    assert call("resume", "held") == 0
    assert alike("held", "held-whole")
