"""The command line as its users meet it: exit codes, streams, and what is said."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click import UsageError as ClickUsageError
from fakes import hooks, plugin
from PIL import Image

from difftool.cli import failure, main
from difftool.cli.console import plain_table
from difftool.cli.flags import values_of
from difftool.errors import (
    ConfigError,
    DataError,
    DeviceError,
    Interrupted,
    PluginError,
    Terminated,
)
from difftool.plugin.registry import Registry
from difftool.workflows.naming import data_path, new_path
from difftool.workflows.text import duration, number, size


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No project file and no runs from outside."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def call(capsys):
    """``call("list", "samplers")`` -> (exit code, stdout, stderr)."""

    def run(*args):
        with pytest.raises(SystemExit) as leaving:
            main(list(args))
        captured = capsys.readouterr()
        return leaving.value.code, captured.out, captured.err

    return run


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(["a fault"]), 2),
        (ClickUsageError("bad"), 2),
        (DataError("bad"), 3),
        (PluginError("bad"), 4),
        (DeviceError("bad"), 5),
        (MemoryError("bad"), 5),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 1 TB"), 5),
        (RuntimeError("shapes cannot be multiplied"), 1),
        (OSError(28, "No space left on device", "model"), 1),
        (ValueError("bad"), 1),
    ],
)
def test_exit_codes(capsys, error, code):
    assert failure.report(error) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("error", "code"),
    [(Interrupted("Stopped."), 130), (KeyboardInterrupt(), 130), (Terminated("Stopped."), 75)],
)
def test_what_was_asked_to_stop_is_no_error(capsys, error, code):
    assert failure.report(error) == code
    assert capsys.readouterr().err in ("Stopped.\n", "Interrupted.\n")


@pytest.mark.parametrize(
    ("run", "rank", "said"),
    [("difftool", "0", ""), ("none", "1", ""), ("none", "0", "difftool resume")],
)
def test_of_processes_that_lose_one_the_first_says_so(capsys, monkeypatch, run, rank, said):
    for name, value in (("TORCHELASTIC_RUN_ID", run), ("RANK", rank), ("WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]")
    assert failure.report(lost) == 1
    err = capsys.readouterr().err
    assert said in err
    assert bool(err) == bool(said)
    assert "fault in difftool" not in err


@pytest.mark.parametrize("group", [[], ["config"], ["runs"], ["data"], ["plugins"]])
def test_a_group_alone_shows_its_help(call, group):
    code, _, err = call(*group)
    assert code == 2
    assert err.startswith("Usage: difftool")
    assert "See:" not in err
    assert "..." not in err.partition("Commands:")[2]


def test_a_reader_that_leaves_ends_the_listing_and_not_the_work(tmp_path):
    work = "import sys; from difftool.cli.console import out, say\nfor i in range(9): out(str(i)); say(str(i))\nopen('done', 'w').close()"
    line = f'"{sys.executable}" -c "$WORK"'
    for pipe in ("| true", "2>&1 | true"):
        ended = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {{ sleep 0.3; {line}; }} {pipe}"],
            cwd=tmp_path,
            env={**os.environ, "WORK": work},
            check=False,
        )
        assert ended.returncode == 0
        (tmp_path / "done").unlink()


def test_each_file_that_is_checked_answers_for_itself(call, tmp_path):
    (tmp_path / "a.toml").write_text("steps = 5")
    (tmp_path / "b.toml").write_text("[train\n")
    err = call("config", "check", "a.toml", "b.toml")[2]
    assert "a.toml:1: steps is outside of any table. Did you mean train.steps?" in err
    assert "a.toml: no modality is selected" in err
    assert "b.toml: no modality is selected" in err


def test_data_check_takes_the_flags_that_its_advice_names(call, tmp_path):
    (tmp_path / "it's").mkdir()
    for i in range(3):
        Image.new("RGB", (40, 20), (i, 90 * i, 255 - 90 * i)).save(tmp_path / "it's" / f"{i}.png")
    code, out, _ = call(
        "data", "check", "it's", "-m", "image", "--size", "12x10", "--resize", "pad"
    )
    assert code == 0
    assert "trained at 12x10" in out
    assert "train -m image 'it'\"'\"'s' --recipe" in out
    assert "lose over a quarter" not in out
    for i in range(3, 14):
        (tmp_path / "it's" / f"{i}.png").touch()
    code, out, _ = call("data", "check", "it's", "-m", "image")
    assert code == 3
    assert "to train" not in out


@pytest.mark.parametrize(
    ("data", "name"),
    [("photos.v2", "photos.v2"), ("photos.v2/cat/..", "photos.v2"), ("one.png", "one")],
)
def test_a_run_is_named_after_its_data(tmp_path, data, name):
    (tmp_path / "photos.v2" / "cat").mkdir(parents=True)
    (tmp_path / "one.png").touch()
    path = data_path(data)
    assert ".." not in path.parts
    assert new_path(
        SimpleNamespace(data=SimpleNamespace(path=str(path)), modality=SimpleNamespace(use="image"))
    ) == Path("runs", name)


def test_a_traceback_only_when_asked_for(call):
    assert "Traceback" not in call("show", "sampler", "huen")[2]
    code, out, err = call("show", "sampler", "huen", "--debug")
    assert (code, out) == (2, "")
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["smaple"], 2, "There is no command 'smaple'. Did you mean 'sample'?"),
        (["train"], 2, "no modality is selected"),
        (["train", "-m", "imgae"], 2, "There is no modality 'imgae'. Did you mean 'image'?"),
        (
            ["train", "-m", "image", "--recipe", "tinny"],
            2,
            "There is no recipe 'tinny' for image. Did you mean 'tiny'?",
        ),
        (
            ["train", "-m", "audio/waveform", "--recipe", "small"],
            2,
            "no recipe 'small' for audio/waveform, only for audio/spectrogram",
        ),
        (["train", "-m", "image", "--stepz", "3"], 2, "--steps"),
        (
            ["train", "-m", "image", "--sampler", "huen"],
            2,
            "--sampler: There is no sampler 'huen'. Did you mean 'heun'?",
        ),
        (
            ["train", "-m", "image", "--config", "none.toml"],
            2,
            "none.toml: cannot be read: No such file",
        ),
        (["resume"], 2, "There is no run"),
        (["resume", "nothere"], 2, "There is no run 'nothere'"),
        (["sample", "nothere"], 2, "There is no run 'nothere'"),
        (["sample", "--cond", "class"], 2, "--cond class does not have the form NAME=VALUE"),
        (["sample", "--cond", "class="], 2, "--cond class= does not have the form NAME=VALUE"),
        (["list", "smaplers"], 2, "Did you mean 'samplers'?"),
        (["show", "sampler", "huen"], 2, "Did you mean 'heun'?"),
        (["config", "check", "none.toml"], 2, "cannot be read"),
        (["data", "check", "nothere", "-m", "image"], 3, "nothere"),
        (["runs", "show", "nothere"], 2, "There is no run"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_told_and_leave_stdout_alone(call, args, code, said):
    found, out, err = call(*args)
    assert (found, out) == (code, "")
    assert said in err


def test_all_faults_of_a_line_and_its_files_at_once(call, tmp_path):
    (tmp_path / "difftool.toml").write_text("[train]\nstpes = 3")
    (tmp_path / "my.toml").write_text('[optimizer]\nlr = "high"')
    code, _, err = call(
        "train",
        "-m",
        "image",
        "--config",
        "my.toml",
        "--batch",
        "0",
        "--size",
        "2",
        "--set",
        "trian.x=1",
    )
    assert code == 2
    for said in (
        "5 faults",
        "difftool.toml:2: train.stpes",
        "my.toml:2: optimizer.lr",
        "--batch: train.batch = 0",
        "--size:",
        "--set trian.x:",
    ):
        assert said in err


def test_a_run_that_exists_is_left_alone(call, tmp_path):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    code, _, err = call("train", "-m", "image", "--run", "taken")
    assert code == 2
    assert "taken already exists" in err
    assert "resume" not in err
    assert [path.name for path in (tmp_path / "taken").iterdir()] == ["file"]
    (tmp_path / "a run").mkdir()
    (tmp_path / "a run" / "config.toml").touch()
    assert "difftool resume 'a run'" in call("train", "-m", "image", "--run", "a run")[2]


@pytest.mark.parametrize("kind", ["", "samplers", "recipes", "modalities"])
def test_list(call, kind):
    code, out, err = call("list", *([kind] if kind else []))
    assert (code, err) == (0, "")
    found = json.loads(call("list", *([kind] if kind else []), "--json")[1])
    for row in (row for rows in found.values() for row in rows):
        assert row["name"] in out


def test_show(call):
    assert "s_churn" in call("show", "sampler", "heun")[1]
    assert (
        "comes with density lognormal, weighting edm, schedule karras"
        in call("show", "process", "edm")[1]
    )
    assert "[train]" in call("show", "recipe", "image/tiny")[1]
    assert re.search(r"factors +N,…", call("show", "bridge", "resample")[1])
    assert "Undefined" not in call("show", "bridge", "resample")[1]  # it has no default
    assert (
        "size" in json.loads(call("show", "modality", "image", "--json")[1])["schema"]["properties"]
    )


def test_config_show_can_be_fed_back(call, tmp_path):
    _, first, _ = call(
        "config", "show", "-m", "image", "--set", "train.steps=12", "--set", "process.use=flow"
    )
    (tmp_path / "first.toml").write_text(first)
    assert call("config", "show", "--config", "first.toml") == (0, first, "")
    assert call("config", "check", "first.toml")[0] == 0


def test_config_show_origins(call):
    rows = json.loads(
        call("config", "show", "-m", "image", "--set", "train.steps=12", "--origins", "--json")[1]
    )
    origins = {row["key"]: row["origin"] for row in rows}
    assert origins["train.steps"] == "--set train.steps"
    assert origins["optimizer.lr"].startswith("recipe tiny:")
    assert origins["train.clip"] == "default"


def test_plugins_list_shows_broken_ones(call, monkeypatch):
    def load_all(report):
        registry = Registry(lambda line: None)
        registry.add(plugin("good"), lambda: hooks(samplers=[]))
        registry.add(plugin("bad", "difftool-bad", "7"), lambda: 1 / 0)
        return registry

    monkeypatch.setattr(Registry, "load_all", load_all)
    code, out, _ = call("plugins", "list")
    assert code == 4
    assert "broken: ZeroDivisionError" in out
    assert json.loads(call("plugins", "list", "--json")[1])[1]["error"].startswith(
        "ZeroDivisionError"
    )


def test_an_empty_place(call):
    assert call("runs", "list")[0] == 0
    assert json.loads(call("runs", "list", "--json")[1]) == []


def test_markup_in_names_is_text(call, tmp_path):
    (tmp_path / "[bold]x.toml").write_text("[train]\nsteps = 0")
    assert "[bold]x.toml:2" in call("config", "check", "[bold]x.toml", "-m", "image")[2]


def test_values_before_parsing():
    args = ["-m", "a", "--modality=b", "-mc", "--", "-m", "d"]
    assert values_of(args, "-m", "--modality") == ["a", "b", "c"]


def test_words_for_numbers():
    assert [duration(s) for s in (5, 61, 3700)] == ["5s", "1m01s", "1h01m"]
    assert [size(n) for n in (12, 1234, 25e9)] == ["12 B", "1.23 kB", "25 GB"]
    assert [number(n) for n in (0.1234, 12.34, 1234.5)] == ["0.123", "12.3", "1234"]
    assert plain_table([("a", "long " * 40)], ("x", "y")).count("\n") == 1


def test_the_demo_is_the_shortest_there_is():
    from difftool.config import gather, resolve
    from difftool.plugin.registry import Registry
    from difftool.workflows.demo import shortest

    parts = Registry.load_all()
    steps = {
        name: resolve(name, gather(parts, name, "demo", project=None), parts).train.steps
        for name in parts.names("modality")
        if f"{name}/demo" in parts.names("recipe")
    }
    assert steps
    assert steps[shortest(parts)] == min(steps.values())
