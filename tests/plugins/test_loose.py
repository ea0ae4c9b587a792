"""Parts in a file are tried before they are packaged: by ``file.py:Name``, and by ``--plugin file.py``."""

from __future__ import annotations

import pytest
from small import call

from difftool.header import MODEL, read_about
from difftool.plugin.loose import add_file
from difftool.shell import FILES, command

SAMPLER = """
from difftool import Options, Spec, Step, hookimpl, order


class ShrunkOptions(Options):
    by: float = 1.0


@order(1)
def shrunk(denoise, x, sigmas, noise, by):
    for i, (sigma, sigma_next) in enumerate(zip(sigmas, sigmas[1:])):
        x0 = by * denoise(x, sigma)
        x = x0 + (x - x0) * (sigma_next / sigma)
        yield Step(i, sigma_next, x, x0)


@hookimpl
def difftool_samplers():
    return [Spec("shrunk", "Euler's method, shrunk", f"{__file__}:shrunk", f"{__file__}:ShrunkOptions")]
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FILES, "")
    path = tmp_path / "mine.py"
    path.write_text(SAMPLER, encoding="utf-8")
    return path


def train(*more: str) -> int:
    small = ["--set=backbone.channels=8", "--set=train.preview=0", "--set=train.batch=2"]
    return call("train", "-m", "image", "--run", "run", "--steps", "1", *small, *more)


@pytest.mark.slow
def test_a_part_of_a_file_is_used_and_its_model_is_not_exported(file, capsys, tmp_path):
    assert train("--sampler", "mine.py:shrunk", "--set", "sampler.by=0.5") == 0
    about = read_about(tmp_path / "run/model.safetensors", MODEL)
    assert about["parts"]["sampler mine.py:shrunk"] == f"{'mine.py'} (a file)"
    assert about["config"]["sampler"] == {"use": "mine.py:shrunk", "by": 0.5}
    assert call("sample", "run", "-n", "1", "--steps", "2") == 0
    capsys.readouterr()
    assert call("export", "run", "--to", "out.safetensors") == 2
    said = capsys.readouterr().err
    assert "could not be opened elsewhere" in said
    assert "difftool plugins new NAME --kind sampler" in said
    file.unlink()
    assert call("sample", "run", "-n", "1") == 4
    assert "needs the sampler 'mine.py:shrunk' of the file mine.py" in capsys.readouterr().err


def test_a_plugin_of_a_file_is_listed_wherever_the_flag_stands(file, capsys):
    assert call("plugins", "list", "--plugin", "mine.py") == 0
    assert "mine" in capsys.readouterr().out
    assert call("--plugin=mine.py", "show", "sampler", "shrunk") == 0
    assert "by" in capsys.readouterr().out


def test_commands_that_messages_propose_name_it_too(file):
    assert command("resume", "runs/a b") == "difftool resume 'runs/a b'"
    add_file("mine.py")
    assert command("resume", "run") == "difftool resume run --plugin mine.py"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["show", "sampler", "nowhere.py:x"], "There is no file nowhere.py"),
        (["show", "sampler", "mine.py:shrink"], "mine.py has no 'shrink'"),
        (["show", "modality", "mine.py:shrunk"], "pass --plugin mine.py"),
        (["list", "--plugin", "nowhere.py"], "--plugin takes a Python file"),
        (["list", "--plugin"], "--plugin needs a file"),
    ],
)
def test_what_is_wrong_is_said(file, capsys, words, said):
    assert call(*words) in (2, 4)
    assert said in capsys.readouterr().err
