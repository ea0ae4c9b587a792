"""A run from its first line to its samples, through the command line alone."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from small import SETS, call, pictures, small_run

from difftool.workflows import words, writer

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder in which ``runs/first`` was trained for four steps."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert (
            call(
                "train",
                "-m",
                "image",
                str(pictures()),
                *WORDS,
                "--steps",
                "4",
                "--run",
                "runs/first",
                "--json",
            )
            == 0
        )
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


def test_a_run_says_what_it_is(capsys):
    assert call("runs", "list", "--json") == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["run"], run["step"], run["steps"], run["finished"]) == ("runs/first", 4, 4, True)
    assert call("runs", "show", "first") == 0
    assert 'use = "image"' in capsys.readouterr().out
    assert Path("runs/first/report.html").exists()


def test_resume_of_a_finished_run_says_so_and_goes_on_when_asked(capsys):
    assert call("resume") == 0
    assert "already reached its last step, 4" in capsys.readouterr().err
    assert (
        call(
            "train", "-m", "image", str(pictures()), *WORDS, "--steps", "2", "--run", "runs/second"
        )
        == 0
    )
    assert call("resume", "second", "--steps", "3", "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out[captured.out.index("{") :])["steps"] == 3
    assert "steps = 3" in Path("runs/second/config.toml").read_text()
    capsys.readouterr()
    assert call("resume", "second", "--steps", "1") == 2
    assert "already at step 3" in capsys.readouterr().err
    assert "steps = 3" in Path("runs/second/config.toml").read_text()
    assert call("runs", "compare", "first", "second", "--json") == 0
    assert json.loads(capsys.readouterr().out)["differences"]["train.steps"] == [4, 3]


@pytest.fixture(scope="module")
def ages(tmp_path_factory):
    """The pictures as Hugging Face's imagefolder has them: in a split's folder, described by the metadata in it."""
    folder = tmp_path_factory.mktemp("ages") / "train"
    folder.mkdir()
    found = sorted(pictures().rglob("*.png"))
    rows = [["file_name", "label", "age"]]
    for i, path in enumerate(found):
        (folder / f"{i}.png").write_bytes(path.read_bytes())
        rows.append([f"{i}.png", path.parent.name, i + 0.5])
    with open(folder / "metadata.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder.parent


@pytest.mark.parametrize(
    ("sets", "conditions"),
    [
        ([], {"label": "label"}),
        (["conditions.age.use=number"], {"label": "label", "age": "number"}),
        (["conditions.label.use=none"], {}),
        (["conditions.age.use=number", "conditions.label.use=none"], {"age": "number"}),
    ],
)
def test_a_condition_more_leaves_the_class_in_place(capsys, ages, sets, conditions):
    words = [word for setting in sets for word in ("--set", setting)]
    assert (
        call(
            "train",
            "-m",
            "image",
            str(ages),
            *WORDS,
            *words,
            "--set",
            "modality.augment=0",
            "--dry-run",
            "--json",
        )
        == 0
    )
    assert json.loads(capsys.readouterr().out)["conditions"] == conditions


def test_dry_run_writes_nothing(capsys):
    before = sorted(Path().rglob("*"))
    assert call("train", "-m", "image", str(pictures()), *WORDS, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["examples"] == 40
    assert call("train", "-m", "image", str(pictures()), *WORDS, "--dry-run") == 0
    assert "parameters" in capsys.readouterr().out
    assert sorted(Path().rglob("*")) == before


def test_samples_are_files_that_can_be_read_again(capsys):
    assert call("sample", "first", "-n", "5", "--cond", "class=left,above", "-o", "made") == 0
    captured = capsys.readouterr()
    paths = [Path(line) for line in captured.out.splitlines()]
    assert [path.name for path in paths] == [
        f"{i:06d}-{('left', 'above')[i % 2]}.png" for i in range(5)
    ]
    assert all(path.exists() for path in paths)
    rows = list(csv.DictReader(Path("made/metadata.csv").read_text().splitlines()))
    assert [row["file_name"] for row in rows] == [path.name for path in paths]
    assert {row["class"] for row in rows} == {"left", "above"}
    assert call("data", "check", "made", "-m", "image") == 0
    assert call("sample", "first", "-o", "made") == 2
    assert "already exists and is not empty" in capsys.readouterr().err


@pytest.mark.parametrize(("kind", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_sampling_that_is_stopped_keeps_what_it_made(capsys, monkeypatch, kind, code):
    """At least the file that is being written, at most those that were drawn before the signal."""
    real, made = writer.label, []

    def counting(cond):
        made.append(cond)
        if len(made) == 3:
            os.kill(os.getpid(), kind)
            time.sleep(0.2)
        return real(cond)

    monkeypatch.setattr(writer, "label", counting)
    few = ("sample", "first", "--batch", "1", "--steps", "2")
    assert call(*few, "-n", "30", "-o", f"stopped{code}") == code
    rows = list(csv.DictReader(Path(f"stopped{code}/metadata.csv").read_text().splitlines()))
    assert 3 <= len(rows) < 30
    assert len(list(Path(f"stopped{code}").glob("*.png"))) == len(rows)
    rest = f"--start {len(rows)} -n {30 - len(rows)}"
    assert (
        f"Stopped: {len(rows)} of 30 samples are in stopped{code}. For the others, use {rest}"
        in capsys.readouterr().err
    )
    assert call(*few, *rest.split(), "-o", f"others{code}") == 0


def test_sampling_otherwise(capsys):
    line = (
        "sample",
        "runs/first/model.safetensors",
        "-n",
        "2",
        "--sampler",
        "ddim",
        "--set",
        "sampler.eta=1",
        "--guidance",
        "2",
        "--steps",
        "2",
    )
    assert call(*line, "--set", "schedule.rho=3", "--size", "12", "--json") == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["folder"]).parent == Path("runs/first/samples")
    assert Path(made["sheet"]).exists()
    assert [row["index"] for row in made["samples"]] == [0, 1]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--cond", "class=lefd"], "Did you mean 'left'?"),
        (["--cond", "klass=left"], "no condition 'klass'. Known are: class"),
        (["--set", "train.steps=3"], "[train] cannot be changed after training"),
        (["--sampler", "huen", "--size", "1", "--steps", "0"], "3 faults"),
        (["--size", "wide"], "--size:"),
    ],
)
def test_wishes_that_cannot_be_met(capsys, args, said):
    before = sorted(Path().rglob("*"))
    assert call("sample", "first", *args) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""
    assert sorted(Path().rglob("*")) == before


def test_a_file_that_a_flag_names_is_not_taken_for_the_model(capsys):
    """The flags of the latest run's modality are known all the same."""
    Path("notes.txt").write_text("no model")
    assert (
        call("sample", "--size", "8x16", "-n", "1", "--set", "sample.steps=2", "-o", "sized") == 0
    )
    assert words.peeked_modality(["--some-flag", "notes.txt"]) == "image"
    assert words.peeked_modality(["--some-flag", "notes.txt", "first"]) == "image"


def test_of_trainings_that_begin_at_once_each_gets_a_folder(tmp_path, monkeypatch):
    """Both picked the same name; the second one to take it gets the next."""
    monkeypatch.chdir(tmp_path)
    data, sets = small_run(steps=1)
    words = [
        "train",
        "-m",
        "image",
        str(data),
        *(word for text in sets for word in ("--set", text)),
    ]
    monkeypatch.setattr("difftool.workflows.naming.new_path", lambda config: Path("runs/same"))
    assert [call(*words), call(*words)] == [0, 0]
    assert sorted(path.name for path in Path("runs").iterdir()) == ["same", "same-2"]


# --- places and parts that have changed since -------------------------------------------------------------------------


def copied(name: str, old: str, new: str) -> Path:
    """A copy of ``runs/first`` with another text in its configuration."""
    run = Path(shutil.copytree("runs/first", name))
    config = (run / "config.toml").read_text()
    assert old in config
    (run / "config.toml").write_text(config.replace(old, new))
    return run


def test_data_that_has_moved_can_be_named(capsys):
    run = copied("moved away", str(pictures()), "/nowhere/to be found")
    assert call("resume", str(run), "--steps", "5") == 3
    assert "difftool resume 'moved away' --data PATH" in capsys.readouterr().err
    assert call("resume", str(run), "--steps", "5", "--data", str(pictures())) == 0
    assert str(pictures()) in (run / "config.toml").read_text()
    assert call("resume", str(run)) == 0


def test_a_run_of_a_part_that_is_not_installed_asks_for_its_plugin(capsys):
    run = copied("foreign", 'use = "unet"', 'use = "acme"')
    assert call("resume", str(run)) == 4
    said = capsys.readouterr().err
    assert "backbone 'acme'" in said
    assert "plugin" in said


def test_a_model_of_a_part_that_is_not_installed_asks_for_its_plugin(capsys):
    whole = Path("runs/first/model.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    about = json.loads(header["__metadata__"]["about"])
    about["config"]["backbone"]["use"] = "acme"
    header["__metadata__"]["about"] = json.dumps(about)
    text = json.dumps(header).encode()
    Path("foreign.safetensors").write_bytes(
        len(text).to_bytes(8, "little") + text + whole[8 + length :]
    )
    assert call("sample", "foreign.safetensors", "-n", "1", "-o", "none") == 4
    assert "backbone 'acme'" in capsys.readouterr().err
    assert call("sample", "runs/first", "--sampler", "acme", "-o", "none") == 2  # a typing error


def test_the_project_file_is_announced(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("difftool.toml").write_text("[train]\nbatch = 8\n")
    call("config", "show", "-m", "image")
    assert capsys.readouterr().err == f"The settings in {tmp_path / 'difftool.toml'} are used.\n"


def test_a_disk_that_fills_up_leaves_samples_that_can_be_read(capsys, monkeypatch):
    real, added = writer.append, []

    def full(path, data):
        added.append(data)
        if len(added) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(writer, "append", full)
    assert call("sample", "first", "-n", "4", "-o", "full") == 1
    assert "The disk is full: 2 of 4 samples are in full." in capsys.readouterr().err
    assert call("data", "check", "full", "-m", "image") == 0


def test_a_row_that_cannot_be_written_whole_is_taken_back(tmp_path, monkeypatch):
    table = tmp_path / "metadata.csv"

    class Half(io.FileIO):
        def write(self, data):
            if self.tell() % 4:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data[:2])

    monkeypatch.setattr(
        writer, "open", lambda path, mode, buffering: Half(path, "a"), raising=False
    )
    with pytest.raises(OSError, match="space"):
        writer.append(table, b"head")
    assert not table.exists()
    table.write_bytes(b"head")
    with pytest.raises(OSError, match="space"):
        writer.append(table, b"more")
    assert table.read_bytes() == b"head"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("猫/犬", "-猫_犬"),
        ("हिन्दी", "-हिन्दी"),
        ("a b:c", "-a_b_c"),
        (1.5, "-1_5"),
        ("x" * 99, "-" + "x" * 40),
    ],
)
def test_file_names_keep_letters_of_any_script(value, name):
    assert writer.label({"class": value, "other": None}) == name
    assert len(writer.label({str(i): "猫" * 99 for i in range(9)}).encode()) <= writer.LONGEST
