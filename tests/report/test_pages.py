"""Pages about runs: one file each, without a request to anywhere, and every text is escaped."""

from __future__ import annotations

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small import SETS, call, pictures

from difftool.engine.folder import RunFolder
from difftool.report import write_report
from difftool.report.media import media, thinned

WORDS = [word for setting in SETS for word in ("--set", setting)]
WORDS += [
    "--set",
    "data.holdout=0.2",
    "--set",
    "train.evaluate_every=2",
    "--set",
    "train.preview=2",
]
WORDS += ["--set", "train.preview_every=2"]
EVIL = "<script>alert(1)</script>"


class Page(HTMLParser):
    """The tags of a page, with their attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two runs; of the first, samples have been measured and kept."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shutil.copytree(pictures(), "data")
        for seed in ("0", "1"):
            train = ["train", "-m", "image", "data", *WORDS, "--steps", "4", "--seed", seed]
            assert call(*train, "--run", f"runs/run{seed}") == 0
            kept = Path("runs", f"run{seed}", "samples", "evaluated")
            kept.mkdir()
            for i in range(3):
                Image.fromarray(np.full((8, 8, 3), 40 * i, np.uint8)).save(kept / f"{i}.png")
        row = {"metric": EVIL, "name": "x", "samples": 1.0, "samples_error": 0.1}
        row |= {"data": 0.5, "data_error": 0.1, "needed": 8}
        verdict = [{"level": "warning", "kind": "far", "fact": EVIL, "fix": "Train longer."}]
        found = {"verdict": verdict, "rows": [row], "samples": {"count": 3}, "judge": {}}
        Path("runs/run0/evaluation.json").write_text(json.dumps(found))
    return folder


def offline(page: Page) -> bool:
    """Whether nothing is asked of anywhere: all that is shown lies in the file itself."""
    sources = [attrs.get(key) or "" for _, attrs in page.tags for key in ("src", "href", "data")]
    return all(one == "" or one.startswith(("data:", "#")) for one in sources) and not page.all(
        "link"
    )


def test_the_report_shows_the_run_and_asks_nothing_of_the_network(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    assert call("report", "run0") == 0
    path = Path(capsys.readouterr().out.strip())
    page, text = Page(path), path.read_text()
    assert offline(page)
    assert text.index("<h2>Verdict</h2>") < text.index("<table>"), "the verdict comes first"
    frames = [one for one in page.all("div") if one.get("class") == "frame"]
    assert [("hidden" in one) for one in frames] == [True, False], "the newest preview is shown"
    assert any(one.get("type") == "range" for one in page.all("input"))
    assert len(page.all("svg")) == 5, "the loss, two of levels, the speed and the memory"
    ledger = Path("runs/run0/data.csv").read_text()
    assert ledger.count("\n") == 1 + len(list(Path("data").rglob("*.png")))
    assert text.index("Data and rights") < text.index("<h2>Configuration</h2>")
    assert len(page.all("img")) == 2 + 3


def test_every_text_is_escaped(place):
    evil = place / "runs" / f"a{EVIL.replace('/', '_')}"
    shutil.copytree(place / "runs/run0", evil)
    path = write_report(RunFolder(evil))
    assert "alert(1)" in path.read_text()
    assert len(Page(path).all("script")) == 2, "only our own"
    shutil.rmtree(evil)


def test_runs_side_by_side_with_blind_pairs(place, monkeypatch):
    monkeypatch.chdir(place)
    assert call("runs", "compare", "run0", "run1", "--html", "both.html") == 0
    page, text = Page(Path("both.html")), Path("both.html").read_text()
    assert offline(page)
    pairs = [json.loads(one["data-names"]) for one in page.all("div") if one.get("class") == "pair"]
    assert len(pairs) == 3
    assert all(sorted(names) == ["run0", "run1"] for names in pairs)
    assert "train.seed" in text
    shown = re.findall(r'<div class="pair".*?</div></div></div>', text, re.DOTALL)
    assert not any("run0</" in one for one in shown), "nobody sees which is which"


def test_a_page_replaces_only_a_page(place, monkeypatch, capsys):
    monkeypatch.chdir(place)
    Path("mine.html").write_text("mine")
    assert call("runs", "compare", "run0", "run1", "--html", "mine.html") == 2
    assert Path("mine.html").read_text() == "mine"


def test_sounds_and_clips_play_and_what_could_run_is_left_out(tmp_path):
    (tmp_path / "f.scene.json").write_text('{"balls": []}')
    assert media(tmp_path / "f.scene.json").kind == "scene"
    kinds = {"a.wav": "audio", "b.mp4": "video", "c.gif": "image", "d.svg": None, "e.sdf": None}
    for name, kind in kinds.items():
        (tmp_path / name).write_bytes(b"x")
        found = media(tmp_path / name)
        assert (found.kind if found else None) == kind


def test_of_many_previews_evenly_spread_ones_are_shown_and_the_last(tmp_path):
    paths = [tmp_path / f"preview-{i:08d}.png" for i in range(500)]
    for path in paths:
        path.write_bytes(bytes(1000))
    some = thinned(paths, most=100_000)
    assert len(some) == 100
    assert some[-1] == paths[-1]
    assert thinned(paths) == paths
    assert thinned([]) == []
