"""Cascades and their stages measured, through the command line alone."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from measures import BRIGHTNESS, give_metrics
from small import SETS, TWO, call, pictures

import difftool_image.plugin
from difftool.engine import generate as module

WORDS = [word for setting in SETS if "size" not in setting for word in ("--set", setting)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    shutil.copytree(pictures(), folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("two.toml").write_text(TWO.replace("level = 0.1", "level = 0.3"))
        assert call("train", "two.toml", "data", *WORDS, "--steps", "4") == 0
    return folder


@pytest.fixture(autouse=True)
def there(place, monkeypatch):
    monkeypatch.chdir(place)


@pytest.fixture
def measured(capsys):
    """``measured("two", "-n", "3")`` -> what is printed as JSON, and its rows by metric and name."""

    def run(*args: str):
        capsys.readouterr()
        assert call("evaluate", *args, "--json") == 0
        found = json.loads(capsys.readouterr().out)
        return found, {
            (row["metric"], row["name"]): (row["samples"], row["data"]) for row in found["rows"]
        }

    return run


def test_a_cascade_s_last_stage_is_measured_against_its_own_data(measured):
    """By what sample writes of it, and that at its level."""
    found, rows = measured("two", "-n", "6")
    assert found["samples"]["model"].endswith("two/x2/model.safetensors")
    assert (found["samples"]["count"], found["samples"]["level"]) == (6, 0.3)
    assert found["data"] == {"count": 40, "source": str(Path("data").absolute()), "measured": 6}
    assert 0 < rows["patches", "distance"][1] < rows["patches", "distance"][0]
    assert call("sample", "two", "-n", "6", "-o", "made", "--save-all") == 0
    _, files = measured("two", "--samples", "made/x2")
    assert files["patches", "distance"] == pytest.approx(rows["patches", "distance"])
    assert ("consistency", "psnr_db") not in files  # what they were made from is not known
    assert rows["consistency", "psnr_db"][1] is None
    assert 0 < rows["consistency", "psnr_db"][0] < 59


def test_a_part_of_a_cascade_and_several_runs(measured):
    _, part = measured("two", "-n", "4", "--until", "base")
    _, alone = measured("two/base", "-n", "4")
    assert part == alone
    assert ("consistency", "psnr_db") not in part
    _, pair = measured("two/base", "two/x2", "-n", "4", "--set", "stage.x2.level=0.3")
    _, whole = measured("two", "-n", "4")
    assert pair == whole


def test_a_stage_alone_refines_data_that_are_held_out(measured, capsys):
    found, rows = measured("two/x2", "-n", "8")
    assert found["samples"]["count"] == found["data"]["measured"] == 8
    assert found["samples"]["degraded"] == str(Path("data").absolute())
    assert found["samples"]["level"] == 0
    assert 0 < rows["consistency", "psnr_db"][0] < 59
    assert rows["consistency", "psnr_db"][1] is None
    all_there_is, _ = measured("two/x2")
    assert (all_there_is["samples"]["count"], all_there_is["data"]["measured"]) == (20, 20)
    other, _ = measured("two/x2", "-n", "3", "--against", str(pictures() / "left"))
    assert other["samples"]["degraded"] == str(pictures() / "left")
    assert call("evaluate", "two/x2", "-n", "8") == 0
    captured = capsys.readouterr()
    assert (
        f"refined from as many of {Path('data').absolute()}, degraded, against 32 others"
        in captured.err
    )
    assert ["consistency", "psnr_db"] in [line.split()[:2] for line in captured.out.splitlines()]


def test_what_a_stage_refines_is_degraded_data_with_its_labels(measured, monkeypatch):
    asked, real = [], module.generate

    def generate(stage, request):
        asked.append(request)
        return real(stage, request)

    monkeypatch.setattr(module, "generate", generate)
    measured("two/x2", "-n", "8")
    (request,) = asked
    assert {one.shape for one in request.low} == {(3, 4, 4)}
    bright = [
        ("above", "left")[int(one[:, :, :2].mean() > one[:, :2].mean())] for one in request.low
    ]
    assert request.cond["class"] == bright
    assert set(bright) == {"above", "left"}


def test_samples_are_measured_against_data_that_they_were_not_made_from(measured, monkeypatch):
    give_metrics(monkeypatch, difftool_image.plugin, [BRIGHTNESS])
    monkeypatch.setattr(
        "measures.Brightness.measure", lambda self, examples, data: {"seen": len(data)}
    )
    assert measured("two/x2", "-n", "8")[1]["brightness", "seen"] == (32, 32)
    assert measured("two", "-n", "8")[1]["brightness", "seen"] == (40, 32)


def test_data_that_are_gone_are_missed_where_they_are_what_is_refined(capsys):
    shutil.move("data", "away")
    try:
        assert call("evaluate", "two/x2", "-n", "2") == 3
        assert (
            call("evaluate", "two", "-n", "2", "--metrics", "patches") == 0
        )  # what it refines is known all the same
    finally:
        shutil.move("away", "data")
    captured = capsys.readouterr()
    assert "The metrics that compare with data are left out" in captured.err
    assert ["consistency", "psnr_db"] in [line.split()[:2] for line in captured.out.splitlines()]
