"""What the documents name exists: files, links, floors, and command lines with their flags."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from test_floors import FLOORS

from difftool.cli import cli

ROOT = Path(__file__).resolve().parents[1]
PATTERNS = ("*.md", "docs/**/*.md", "benchmarks/*.md", "plugins/*/README.md", "examples/**/*.md")
DOCUMENTS = sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})

LINK = re.compile(r"\]\(([^)\s]+)\)")
FILE = re.compile(r"`((?:benchmarks|difftool|docs|examples|plugins|tests)/[\w./-]*)`")
MODELS = {
    "songs": "spectrogram",
    "audio": "spectrogram",
    "clips": "video",
    "video": "video",
    "mols": "molecule",
    "molecule": "molecule",
}
"""A run that a command line names, or the plugin whose page gives the line -> the golden model file that stands for it; else one of
pictures."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document):
    text = document.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        assert file.exists(), f"{named(document)} links to {target}, and there is no such file"
        if anchor:
            assert anchor in anchors(file), (
                f"{named(document)} links to {target}, and {file.name} has no such heading"
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_files_that_are_named_exist(document):
    for name in FILE.findall(document.read_text(encoding="utf-8")):
        exists = (ROOT / name).exists() or (document.parent / name).exists()
        assert exists, f"{named(document)} names {name}, which does not exist"


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(text: str) -> list[str]:
    """The lines of a document's code blocks: indented, or fenced as ``sh``."""
    indented = re.findall(r"^ {4}(\S.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return indented + [
        line for block in re.findall(r"```sh\n(.*?)```", text, re.S) for line in block.splitlines()
    ]


def command_lines() -> list[tuple[str, str]]:
    """Every ``difftool`` line of a code block, and the part of the project whose document gives it. Plugins of examples are not installed."""
    found = set()
    for document in DOCUMENTS:
        if "examples" in document.parts or document.name == "tutorial.md":  # which is run
            continue
        for line in code(document.read_text(encoding="utf-8")):
            line = re.sub(r"^(\$ |torchrun .* -- |.* && )", "", line).partition("#")[0].strip()
            if line.startswith("difftool ") and "[" not in line.partition(" -")[0]:
                found.add((document.parent.name, line))
    return sorted(found)


LINES = command_lines()


@pytest.fixture
def place(tmp_path, monkeypatch, request):
    """A folder in which what the command line names exists: runs as model files, and empty files."""
    monkeypatch.chdir(tmp_path)
    document, line = request.param
    runs = re.findall(r"\bruns/(\w+)", line) or [document]
    for run in runs:
        folder = tmp_path / "runs" / run
        folder.mkdir(parents=True)
        shutil.copy(
            ROOT / "tests" / "golden" / f"{MODELS.get(run, 'image')}.safetensors",
            folder / "model.safetensors",
        )
        (folder / "config.toml").touch()
    for flag, word in re.findall(r"(?:(--\S+) )?([\w./-]+)", line):
        path = tmp_path / word
        if flag in ("--samples", "--against", "--control"):
            path.mkdir(parents=True, exist_ok=True)
        elif Path(word).suffix and not path.exists() and not word.startswith("runs"):
            path.touch()
    return line


@pytest.mark.parametrize("place", LINES, ids=lambda pair: pair[1], indirect=True)
def test_command_lines_parse(place):
    """The command exists and takes these flags; nothing is run."""
    parse(cli, shlex.split(place)[1:])


def parse(command: click.Command, words: list[str]) -> None:
    with command.make_context("difftool", list(words)) as ctx:
        if isinstance(command, click.Group):
            name, inner, rest = command.resolve_command(ctx, [*ctx._protected_args, *ctx.args])
            assert inner is not None, f"there is no command {name}"
            parse(inner, rest)


def test_there_are_command_lines():
    assert len(LINES) > 30


def test_the_floors_of_the_architecture_are_those_that_are_enforced():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = {}
    for floor, parts in re.findall(r"^    (\d)  (.+)$", text, re.M):
        drawn |= dict.fromkeys(re.findall(r"\w+", parts), int(floor))
    assert drawn == {name: floor for name, floor in FLOORS.items() if not name.startswith("__")}
