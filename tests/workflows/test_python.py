"""difftool from Python, as a notebook uses it: trained, loaded, sampled, measured, without a command line."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import call, pictures

import difftool
from difftool import ConfigError, Reporter, UsageError, header
from difftool.plain import parse_toml

RESOLVE = import_module("difftool.config.resolve")  # the package has a function of that name

SMALL = {
    "size": 8,
    "backbone": {"channels": 8, "multipliers": [1, 2], "blocks": 1},
    "batch": 8,
    "preview": 0,
    "precision": "fp32",
    "device": "cpu",
    "sample": {"steps": 2},
    "train.save_every": 100,
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return difftool.train("image", pictures(), run=folder / "run", steps=4, **SMALL)


def test_it_says_nothing_unless_it_is_asked_to(capfd):
    lines = []

    class Kept(Reporter):
        def say(self, text):
            lines.append(text)

    difftool.train("image", pictures(), run="silent", steps=1, **SMALL).model.sample(1)
    assert capfd.readouterr() == ("", "")
    difftool.train("image", pictures(), run="told", steps=1, reporter=Kept(), **SMALL)
    assert any("Training in told" in line for line in lines)
    difftool.train("image", pictures(), run="shown", steps=1, reporter=difftool.Terminal(), **SMALL)
    assert "step 1/1" in capfd.readouterr().err


def test_settings_reach_the_run_by_short_names_tables_and_full_names(trained):
    config = parse_toml((trained.path / "config.toml").read_text())
    assert (config["train"]["steps"], config["train"]["batch"], config["train"]["save_every"]) == (
        4,
        8,
        100,
    )
    assert (
        config["modality"]["size"],
        config["backbone"]["channels"],
        config["sample"]["steps"],
    ) == (8, 8, 2)


def test_a_loop_of_ones_own_sees_every_step_and_what_it_leaves_is_trained_on(trained):
    whole = difftool.training("image", pictures(), run="whole", steps=6, **SMALL)
    assert [record.step for record in whole] == [1, 2, 3, 4, 5, 6]
    training = difftool.training("image", pictures(), run="left", steps=6, **SMALL)
    for record in training:
        if record.step == 2:
            break
    assert training.run.step == 3
    rest = difftool.resume(training.run)
    assert [record.step for record in rest] == [4, 5, 6]
    one, other = (run.model.sample(2) for run in (whole.run, rest.run))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_an_error_in_a_loop_of_ones_own_leaves_the_run_saved():
    training = difftool.training("image", pictures(), run="failed", steps=6, **SMALL)

    def plot():
        for record in training:
            raise ZeroDivisionError(record.step)

    with pytest.raises(ZeroDivisionError):
        plot()
    assert difftool.resume(training.run).finish().step == 6


def test_samples_are_raw_examples_with_their_conditions_and_are_saved_as_the_modality_writes_them(
    trained,
):
    samples = difftool.load(trained).sample(4, steps=2, cond={"class": ["left", "above"]}, seed=3)
    assert len(samples) == 4
    assert {(one.shape, str(one.dtype)) for one in samples} == {((3, 8, 8), "uint8")}
    assert [one["class"] for one in samples.conditions] == ["left", "above"] * 2
    files = samples.save("made")
    assert [path.name for path in files] == [
        f"{i:06d}-{name}.png" for i, name in enumerate(["left", "above"] * 2)
    ]
    assert all(
        np.array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), one)
        for path, one in zip(files, samples, strict=True)
    )
    before = sorted(Path("made").iterdir())
    with pytest.raises(UsageError, match="already exists and is not empty"):
        samples.save("made")
    assert sorted(Path("made").iterdir()) == before


def test_samples_are_those_of_the_command_line(trained):
    made = difftool.load(trained.path).sample(2, seed=5, sampler="euler")
    words = [
        "sample",
        str(trained.path),
        "-n",
        "2",
        "--seed",
        "5",
        "--sampler",
        "euler",
        "-o",
        "line",
    ]
    subprocess.run([sys.executable, "-m", "difftool", *words], check=True, capture_output=True)
    files = sorted(Path("line").glob("*.png"))
    assert all(
        np.array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), one)
        for path, one in zip(files, made, strict=True)
    )


def test_a_model_is_measured_beside_the_data(trained):
    found = difftool.evaluate(trained, 8, data=16, steps=2, metrics=["patches"])
    assert {row["metric"] for row in found["rows"]} == {"patches"}
    assert found["samples"]["count"] == 8
    assert found["samples"]["steps"] == 2


def test_data_is_looked_at(tmp_path):
    findings = difftool.data.check(pictures(), "image", size=8)
    assert any("40" in finding.text for finding in findings)
    assert {finding.level for finding in findings} <= {"ok", "note", "warning", "error"}


def test_faults_are_reported_at_once_as_the_command_line_tells_them(trained):
    with pytest.raises(ConfigError) as told:
        difftool.training("image", steps=-1, batch="many")
    assert len(told.value.faults) == 2
    with pytest.raises(UsageError, match=r"no setting 'stepps'\. Did you mean 'steps'"):
        difftool.train("image", stepps=3)
    with pytest.raises(UsageError, match="no run 'nowhere'"):
        difftool.load("nowhere")
    with pytest.raises(UsageError, match="no condition 'colour'"):
        difftool.load(trained).sample(1, cond={"colour": "red"})
    with pytest.raises(ConfigError, match="cannot be changed after training"):
        difftool.load(trained).sample(1, **{"backbone.channels": 4})


def test_loading_reads_no_weights_and_imports_no_torch(trained):
    program = f"import sys, difftool; print(difftool.load({str(trained.path)!r}).modality, 'torch' in sys.modules)"
    assert subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split() == ["image", "False"]


@pytest.mark.parametrize(("flags", "resolutions"), [((), 1), (("--sampler", "euler"), 2)])
def test_sampling_reads_the_header_once_and_resolves_the_settings_once(
    trained, monkeypatch, flags, resolutions
):
    """The configuration as it was trained, and where it is sampled with another, that one too."""
    counts = {"headers": 0, "resolutions": 0}

    def counted(name, function):
        def call(*given, **named):
            counts[name] += 1
            return function(*given, **named)

        return call

    header._read.cache_clear()
    RESOLVE._from_json.cache_clear()
    monkeypatch.setattr(header, "_metadata", counted("headers", header._metadata))
    monkeypatch.setattr(RESOLVE, "trace", counted("resolutions", RESOLVE.trace))
    assert call("sample", str(trained.path), "-n", "2", "-o", f"made{len(flags)}", *flags) == 0
    assert counts == {"headers": 1, "resolutions": resolutions}
