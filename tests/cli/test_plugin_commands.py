"""Commands of plugins: listed without importing them, run when called, and refused where their name is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import sys
import click
print("imported", file=sys.stderr)

@click.command()
@click.argument("name")
def watch(name):
    click.echo(f"watching {name}")
"""


def install(site: Path, distribution: str, commands: str, code: str = WATCH) -> None:
    module = distribution.replace("-", "_")
    (site / f"{module}.py").write_text(code, encoding="utf-8")
    folder = site / f"{module}-1.0.dist-info"
    folder.mkdir()
    about = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\nSummary: Looks at runs.\n\nSummary: not this"
    (folder / "METADATA").write_text(about, encoding="utf-8")
    (folder / "entry_points.txt").write_text(
        f"[other]\na = b\n\n[difftool.commands]\n{commands}\n", encoding="utf-8"
    )


def difftool(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "difftool", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_a_command_is_listed_without_importing_it_and_runs(tmp_path):
    install(tmp_path, "difftool-watch", "watch = difftool_watch:watch")
    help_text = difftool(tmp_path, "--help")
    assert "  watch  Looks at runs." in help_text.stdout
    assert not help_text.stderr
    done = difftool(tmp_path, "watch", "photos")
    assert (done.returncode, done.stdout) == (0, "watching photos\n")
    assert "Did you mean 'watch'?" in difftool(tmp_path, "wacth").stderr


def test_a_name_of_the_core_is_refused_and_the_core_s_command_stays(tmp_path):
    install(tmp_path, "difftool-watch", "runs = difftool_watch:watch")
    done = difftool(tmp_path, "--help")
    assert (
        done.stderr
        == "The command 'runs' of difftool-watch 1.0 is left out: difftool has one of this name. Rename it.\n"
    )
    assert "Commands of plugins" not in done.stdout
    assert "List, show and compare runs" in difftool(tmp_path, "runs", "--help").stdout


def test_a_name_that_two_plugins_claim_is_refused(tmp_path):
    install(tmp_path, "difftool-watch", "watch = difftool_watch:watch")
    install(tmp_path, "difftool-look", "watch = difftool_look:watch")
    done = difftool(tmp_path, "watch", "photos")
    assert done.returncode == 2
    assert "difftool-look 1.0 and difftool-watch 1.0 both bring one" in done.stderr


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("watch = 1", "is not a click command"),
    ],
)
def test_a_broken_command_names_its_package(tmp_path, code, said):
    install(tmp_path, "difftool-watch", "watch = difftool_watch:watch", code)
    done = difftool(tmp_path, "watch", "photos")
    assert done.returncode == 4
    assert "difftool-watch 1.0" in done.stderr
    assert said in done.stderr
    assert difftool(tmp_path, "--help").returncode == 0
