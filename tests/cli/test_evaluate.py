"""Samples measured beside the data, through the command line alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from measures import ABSENT, BRIGHTNESS, UNABLE, give_metrics
from PIL import Image
from small import SETS, call, pictures

import difftool_image.plugin
from difftool.judge.judge import is_held_out
from difftool_image.modality import ImageModality

WORDS = [word for setting in SETS for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the data, and with ``runs/first``, which was trained on it for two steps."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(pictures(), folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert (
            call("train", "-m", "image", "data", *WORDS, "--steps", "2", "--run", "runs/first") == 0
        )
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)
    give_metrics(monkeypatch, difftool_image.plugin, [BRIGHTNESS, UNABLE, ABSENT])


@pytest.fixture
def measured(capsys):
    """``measured("first", "-n", "3")`` -> what is printed as JSON, and its rows by name."""

    def run(*args: str):
        assert call("evaluate", *args, "--json") == 0
        captured = capsys.readouterr()
        found = json.loads(captured.out)
        return found, {row["name"]: row for row in found["rows"]}, captured.err

    return run


def written(folder: str, values: list[int]) -> Path:
    """Flat pictures of these values."""
    Path(folder).mkdir()
    for i, value in enumerate(values):
        Image.new("RGB", (8, 8), (value,) * 3).save(Path(folder) / f"{i}.png")
    return Path(folder)


def brightness_of_the_data() -> float:
    return (
        float(np.mean([np.asarray(Image.open(path)).mean() for path in pictures().rglob("*.png")]))
        / 255
    )


def test_samples_are_measured_beside_a_part_of_the_data_that_is_as_large(measured):
    found, rows, _ = measured("first", "-n", "6", "--steps", "2", "--sampler", "heun")
    assert found["samples"]["count"] == 6
    assert (found["samples"]["sampler"], found["samples"]["steps"]) == ("heun", 2)
    assert found["data"] == {"count": 40, "source": str(Path("data").absolute()), "measured": 6}
    assert list(rows) == ["mean", "contrast", "distance"]
    assert rows["distance"]["samples"] == pytest.approx(
        abs(rows["mean"]["samples"] - brightness_of_the_data()), abs=1e-6
    )
    assert rows["mean"]["data"] == pytest.approx(brightness_of_the_data(), abs=0.05)
    assert rows["distance"]["data"] < 0.05


def test_of_few_data_one_half_is_measured_against_the_other(measured):
    found, rows, _ = measured("first", "-n", "6", "--data", "8")
    assert (found["data"]["count"], found["data"]["measured"]) == (8, 4)
    again, same, _ = measured("first", "-n", "6", "--data", "8")
    assert (found, rows) == (again, same)
    _, others, _ = measured("first", "-n", "6", "--data", "8", "--seed", "1")
    assert others["mean"]["data"] != rows["mean"]["data"]


def test_it_measures_what_sample_would_have_written(measured, capsys):
    assert (
        call(
            "sample",
            "first",
            "-n",
            "5",
            "--cond",
            "class=left",
            "--steps",
            "2",
            "--seed",
            "3",
            "-o",
            "made",
        )
        == 0
    )
    capsys.readouterr()
    found, files, _ = measured("first", "--samples", "made")
    _, rows, _ = measured("first", "-n", "5", "--cond", "class=left", "--steps", "2", "--seed", "3")
    assert found["samples"] == {"count": 5, "folder": "made", "skipped": 0}
    assert files["mean"]["samples"] == pytest.approx(rows["mean"]["samples"], abs=1e-6)


def test_files_are_measured_as_they_are_and_bad_ones_are_named(measured):
    folder = written("flat", [51, 51, 51])
    (folder / "bad.png").write_bytes(b"nothing")
    found, rows, err = measured("first", "--samples", "flat")
    assert found["samples"]["count"] == 3
    assert found["samples"]["skipped"] == 1
    assert "bad.png" in err
    assert rows["mean"]["samples"] == pytest.approx(0.2)
    assert rows["contrast"]["samples"] is None  # NaN, which JSON has not


def test_files_are_read_as_samples_which_may_be_other_than_as_examples(measured, monkeypatch):
    folder = written("odd", [51, 51])
    monkeypatch.setattr(ImageModality, "read_sample", lambda self, item: self.read(item) * 2)
    _, rows, _ = measured("first", "--samples", str(folder), "--against", str(folder))
    assert rows["mean"]["samples"] == pytest.approx(0.4)
    assert rows["mean"]["data"] == pytest.approx(0.2)


def test_other_data_to_compare_with(measured):
    written("grey", [102] * 4)
    _, rows, _ = measured("first", "-n", "2", "--against", "grey")
    assert rows["mean"]["data"] == pytest.approx(0.4)
    assert call("evaluate", "first", "-n", "2", "--against", "nowhere") == 3


def test_without_the_data_the_comparison_is_left_out_and_reported(measured):
    shutil.move("data", "away")
    try:
        found, rows, err = measured("first", "-n", "2")
    finally:
        shutil.move("away", "data")
    assert "The metrics that compare with data are left out" in err
    assert "--against" in err
    assert found["data"]["count"] == 0
    assert list(rows) == ["mean", "contrast"]
    assert rows["mean"]["data"] is None
    _, rows, err = measured("first", "-n", "2", "--data", "0")
    assert list(rows) == ["mean", "contrast"]


def test_what_cannot_be_measured_is_reported_and_stops_no_other(measured):
    found, rows, _ = measured("first", "-n", "2")
    assert rows
    assert found["missing"]["unable"] == "unable needs a light meter, which is not installed."
    assert "pip install 'difftool-light-meter>=2'" in found["missing"]["absent"]


@pytest.mark.parametrize(("name", "code"), [("absent", 4), ("unable", 2)])
def test_nothing_measured_is_a_failure(capsys, name, code):
    assert call("evaluate", "first", "-n", "2", "--metrics", name) == code
    captured = capsys.readouterr()
    assert "light" in captured.err
    assert captured.out == ""


def test_what_cannot_be_made_is_refused_before_the_data_are_opened(capsys, monkeypatch):
    monkeypatch.setattr(
        "difftool.assemble.open_examples", lambda *given, **named: pytest.fail("opened")
    )
    assert call("evaluate", "first", "--cond", "class=lefd") == 2
    assert "Did you mean 'left'?" in capsys.readouterr().err


def test_the_options_of_a_metric_are_flags(measured, capsys):
    _, rows, _ = measured("first", "-n", "2", "--metrics", "brightness", "--scale", "2.55")
    _, usual, _ = measured("first", "-n", "2", "--metrics", "brightness")
    assert rows["mean"]["samples"] == pytest.approx(100 * usual["mean"]["samples"])
    assert call("evaluate", "first", "--help") == 0
    text = capsys.readouterr().out
    assert text.index("Image:") < text.index("Brightness (a metric):") < text.index("--scale X")


def test_the_table_says_what_its_columns_are(capsys):
    assert call("evaluate", "first", "-n", "2", "--steps", "3", "--sampler", "heun") == 0
    captured = capsys.readouterr()
    head, *rows = captured.out.splitlines()[:4]
    assert head.split() == ["metric", "samples", "data", "shown", "by"]
    assert [row.split()[:2] for row in rows] == [
        ["brightness", name] for name in ("mean", "contrast", "distance")
    ]
    assert (
        "samples: 2 of runs/first/model.safetensors (heun, 3 steps, seed 0), against 40 of"
        in captured.err
    )
    assert "data: 2 of" in captured.err
    assert "unable is left out: unable needs a light meter" in captured.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (
            ["--metrics", "brightnes"],
            "image has no metric 'brightnes'. It has: brightness, unable, absent, agreement, captions, coverage",
        ),
        (["--scale", "0"], "--scale: brightness.scale = 0"),
        (["--set", "train.steps=3"], "[train] cannot be changed after training"),
        (["--samples", "data", "--steps", "3", "-n", "4"], "--steps, -n would have no effect"),
        (["--samples", "data", "--device", "cpu"], "--device would have no effect"),
        (
            ["--sampler", "huen", "--cond", "class"],
            "--cond class does not have the form NAME=VALUE",
        ),
    ],
)
def test_wishes_that_cannot_be_met(capsys, args, said):
    assert call("evaluate", "first", *args) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.out == ""


def test_a_modality_without_metrics_has_those_of_a_judge(capsys, monkeypatch):
    """Which needs more data than these, and says so once for all of them."""
    give_metrics(monkeypatch, difftool_image.plugin, [])
    assert call("evaluate", "first", "-n", "2", "--steps", "1") == 2
    assert capsys.readouterr().err.count("40 examples are too few to train a judge") == 1


def test_metrics_are_listed_and_shown(capsys):
    assert call("list", "metrics") == 0
    assert "how bright pictures are" in capsys.readouterr().out
    assert call("show", "modality", "image") == 0
    assert "metrics: brightness, unable, absent" in capsys.readouterr().out
    assert call("show", "metric", "brightness") == 0
    assert "what counts as one" in capsys.readouterr().out


def test_each_number_comes_with_its_standard_error(measured, capsys):
    """Of a mean it is the standard deviation over the root of the count, also where parts estimate it."""
    values = np.random.default_rng(0).integers(40, 200, 400).tolist()
    _, rows, err = measured("first", "--samples", str(written("many", values)))
    expected = np.std(values) / 255 / 400**0.5
    assert rows["mean"]["samples_error"] == pytest.approx(expected, rel=0.6)
    assert rows["mean"]["data_error"] > 0
    assert "too few" not in err
    assert call("evaluate", "first", "--samples", "many") == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if " mean " in one)
    error = rows["mean"]["samples_error"]
    assert f"{rows['mean']['samples']:.4g} ± {error:.2g}" in line


def test_too_few_samples_are_reported_and_have_no_error(measured):
    _, rows, err = measured("first", "--samples", str(written("two", [50, 60])))
    assert "2 samples are too few to tell a good model from a bad one" in err
    assert rows["mean"]["samples_error"] is None


def test_the_likelihood_of_data_and_samples(measured):
    """It is measured only where it is named, in bits per dimension for bytes, with its error."""
    args = ("first", "-n", "2", "--steps", "2", "--data", "6")
    few = ("--examples", "3", "--likelihood-steps", "2", "--draws", "2")
    found, rows, _ = measured(*args, "--metrics", "likelihood", *few)
    assert {row["metric"] for row in found["rows"]} == {"likelihood"}
    for name in ("bits_per_dim", "vlb_bits_per_dim", "nats_per_dof"):
        assert np.isfinite([rows[name]["samples"], rows[name]["data"]]).all()
        assert min(rows[name]["samples_error"], rows[name]["data_error"]) > 0
    # a byte of a picture that a network knows nothing of: ln of the width of a bin is -4.8
    nats = rows["nats_per_dof"]["data"] + np.log(127.5)
    assert rows["bits_per_dim"]["data"] == pytest.approx(nats / np.log(2), rel=1e-4)
    assert "likelihood" not in {row["metric"] for row in measured(*args)[0]["rows"]}


@pytest.fixture
def quick_judges(monkeypatch):
    """Judges of few examples that are trained in few steps."""
    monkeypatch.setattr("difftool.judge.judge.FEWEST", 20)
    monkeypatch.setattr("difftool.judge.train.FEWEST", 10)


def test_two_sets_of_samples_are_tested_for_one_distribution(measured, quick_judges):
    """A model against itself with other noise, and against pictures of another kind."""
    shutil.copytree("runs/first", "runs/again", dirs_exist_ok=True)
    more = ["-n", "40", "--steps", "2", "--metrics", "brightness"]
    found, _, _ = measured("first", *more, "--against", "again")
    assert found["drift"]["p"] > 0.01
    assert found["drift"]["counts"] == [40, 40]
    assert found["verdict"][0]["kind"] == "no drift shown"
    folder = written("white", [250] * 10 + [255] * 10)
    found, _, _ = measured("first", *more, "--against", str(folder))
    assert found["drift"]["p"] <= 0.01
    assert found["verdict"][0]["kind"] == "drift"
    assert "p = 0.001" in found["verdict"][0]["fact"]


def test_what_the_judge_was_trained_on_is_no_evidence_of_drift(measured, quick_judges):
    found, _, _ = measured(
        "first", "--samples", "data", "--against", "data", "--metrics", "brightness"
    )
    drift = found["drift"]
    seen = int((~is_held_out(np.arange(40))).sum())
    assert drift["left_out"] == 2 * seen > 40, "what it has seen, in both sets"
    assert "too few" in drift["missing"]


SCENARIO = """
models = ["runs/first"]
steps = [2, 3]
guidances = [1.0, 2.0]
seeds = [0, 1]
metrics = ["brightness"]
n = 4
data = 10
"""


def test_a_scenario_measures_every_combination_and_goes_on_where_it_stopped(capsys, monkeypatch):
    Path("all.toml").write_text(SCENARIO)
    words = ["evaluate", "--scenario", "all.toml", "--table", "t.csv", "--table", "t.html"]
    words += ["--table", "t.tex"]
    assert call(*words) == 0
    out, err = capsys.readouterr()
    assert err.count("cell ") == 8
    lines = Path("t.csv").read_text().splitlines()
    heads = "steps,guidances,brightness mean,brightness contrast,brightness distance,"
    assert lines[0] == heads + "seconds,memory GB,training seconds,training GB"
    assert all(float(cell) > 0 for line in lines[1:5] for cell in line.split(",")[-2:])
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["2", "1.0"], ["2", "2.0"], ["3", "1.0"], ["3", "2.0"], ["held-out data", ""],
    ]  # fmt: skip
    assert "±" in lines[1]
    assert "held-out data" in out
    assert "<table>" in Path("t.html").read_text()
    assert r"$\pm$" in Path("t.tex").read_text()
    known = Path("all.results.jsonl").read_text().splitlines()
    Path("all.results.jsonl").write_text("\n".join(known[:6]) + '\n{"key": "half')
    assert call(*words) == 0
    assert capsys.readouterr().err.count("cell ") == 2


def test_a_cell_that_cannot_be_measured_is_named_and_the_others_are(capsys):
    text = SCENARIO.replace('["runs/first"]', '["runs/first", "runs/none"]')
    Path("some.toml").write_text(text.replace("[2, 3]", "[2]").replace("seeds = [0, 1]", ""))
    assert call("evaluate", "--scenario", "some.toml") == 0
    out, err = capsys.readouterr()
    assert "runs/none, seed 0, is left out" in err
    assert "runs/first" in out
    Path("wrong.toml").write_text("models = []\nstep = 3\n")
    assert call("evaluate", "--scenario", "wrong.toml") == 2
    assert "step" in capsys.readouterr().err
