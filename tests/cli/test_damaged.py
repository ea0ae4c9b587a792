"""Damaged model files and run folders: the message names the file and the entry, and nothing is written."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from golden.known import HERE
from small import call

NAMED = {"name": "class", "kind": "label", "names": ["a", "b"], "counts": [1, 2]}


def changed(model: str, target: Path, change) -> Path:
    """A copy of a known model whose header says something else."""
    whole = (HERE / f"{model}.safetensors").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    about = json.loads(header["__metadata__"]["about"])
    change(about)
    header["__metadata__"]["about"] = json.dumps(about)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(len(text).to_bytes(8, "little") + text + whole[8 + length :])
    return target


def put(*path_and_value):
    """A change that sets an entry; None removes it."""
    *path, key, value = path_and_value

    def change(about):
        for name in path:
            about = about[name]
        if value is None:
            del about[key]
        else:
            about[key] = value

    return change


@pytest.mark.parametrize(
    ("model", "change", "code", "words"),
    [
        ("image", put("description", "shape", None), 1, "'description.shape'"),
        ("image", put("description", "shape", ["3", 8, 8]), 1, "'description.shape.0"),
        ("image", put("description", "shape", [3]), 1, "does not take examples of shape (3,)"),
        ("image", put("description", "conditions", {"class": NAMED | {"names": 5}}), 1, "'description.conditions.class.names'"),
        ("image", put("description", "conditions", {"class": NAMED | {"counts": [-1, 2]}}), 1, "the counts are not one for each"),
        ("image", put("description", "conditions", {"class": NAMED | {"kind": 3}}), 1, "'description.conditions.class.kind'"),
        ("image", put("description", "measured", {"mean": 1e400}), 1, "'about.description.measured.mean' is inf"),
        ("image", put("config", "modality", 5), 1, "'about.config.modality'"),
        ("image", put("config", "modality", "use", "nothing"), 4, "the modality 'nothing'"),
        ("image", put("config", "backbone", "channels", 10**9), 2, "backbone.channels = 1000000000"),
        ("image", put("config", "backbone", "channels", 60_000), 5, "parameters"),
        ("image", put("opened", {"x": 5}), 1, "'about.opened.x'"),
        ("waveform", put("description", "extra", "totals", None), 1, "'description.extra.totals' is not valid: field required"),
        ("waveform", put("description", "extra", "rate", "fast"), 1, "'description.extra.rate'"),
        ("spectrogram", put("description", "measured", "mean", "loud"), 1, "its parts cannot be built"),
        ("video", put("description", "extra", "lengths", []), 1, "'description.extra.lengths'"),
        ("molecule", put("description", "extra", "elements", [6, 999]), 1, "'description.extra.elements.1'"),
        ("molecule", put("description", "extra", "sizes", [[5]]), 1, "'description.extra.sizes.0"),
    ],
)  # fmt: skip
def test_a_header_that_garbles_an_entry(model, change, code, words, tmp_path, capsys):
    path = changed(model, tmp_path / "m.safetensors", change)
    assert (
        call("sample", str(path), "-n", "1", "-o", str(tmp_path / "out"), "--device", "cpu") == code
    )
    text = capsys.readouterr().err
    assert words in text
    assert "fault in difftool" not in text
    assert code == 5 or str(path) in text
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.fixture
def run(tmp_path):
    return Path(shutil.copytree(HERE / "stopped", tmp_path / "run"))


def test_a_description_that_is_cut_short_is_named_by_resume(run, capsys):
    (run / "description.json").write_text("{")
    assert call("resume", str(run)) == 1
    assert f"{run / 'description.json'} cannot be used: it is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("line", [["show"], ["show", "--json"], ["compare"]], ids=" ".join)
def test_runs_tells_of_a_run_with_metrics_that_are_not_text(run, line, capsys):
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'\xff\n{"loss": 1}\n{"step": "x"}\n[]\n{"step": 1e400, "loss": 1}\n')
    assert call("runs", line[0], str(run), *line[1:]) == 0
    assert "fault in difftool" not in capsys.readouterr().err


def test_runs_names_a_configuration_that_is_not_text(run, capsys):
    (run / "config.toml").write_bytes(b"# \xff\n")
    assert call("runs", "list", str(run.parent)) == 0
    assert "?" in capsys.readouterr().out
    assert call("runs", "show", str(run)) == 2
    assert f"{run / 'config.toml'}: is not UTF-8 text" in capsys.readouterr().err
