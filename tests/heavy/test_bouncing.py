"""The whole of it on video, by the command line: bouncing shapes, from the built-in set to samples whose motion is measured."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

pytestmark = pytest.mark.heavy

STEPS = 450
"""A third of the demo's: on a slow core a quarter of an hour."""

COLOURS = {"red": 0, "green": 1, "blue": 2}


def run(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "difftool", *words], check=True)


def read(path: Path) -> np.ndarray:
    """float ``[t, h, w, 3]``."""
    with av.open(str(path)) as file:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]).astype(float)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """Each with the colour and the number of shapes that were asked for."""
    home = tmp_path_factory.mktemp("bouncing")
    run("demo", "-m", "video", "--run", str(home / "run"), "--steps", str(STEPS), "-n", "48")
    folder = home / "run" / "samples" / "1"
    with open(folder / "metadata.csv", newline="", encoding="utf-8") as file:
        return [(read(folder / row["file_name"]), row["colour"], int(row["count"])) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    from difftool_video.demo import write_demo

    folder: Path = tmp_path_factory.mktemp("real")
    write_demo(folder, count=6)
    return [read(path) for path in sorted(folder.glob("*.mov"))]


def steps(clip: np.ndarray) -> np.ndarray:
    """How far the middle of all that is bright moves from frame to frame, in pixels."""
    light = clip.max(-1)
    light = np.where(light > 110, light, 0)
    y, x = np.mgrid[: clip.shape[1], : clip.shape[2]]
    total = light.sum((1, 2)) + 1e-6
    middle = np.stack([(light * y).sum((1, 2)), (light * x).sum((1, 2))], 1) / total[:, None]
    return np.linalg.norm(np.diff(middle, axis=0), axis=1)


def test_shapes_move_on_from_frame_to_frame_as_the_real_ones_do(samples, real):
    shuffled = np.random.default_rng(0).permutation
    made = np.median([steps(clip).mean() for clip, _, _ in samples])
    true = np.median([steps(clip).mean() for clip in real])
    torn = np.median([steps(shuffled(clip)).mean() for clip, _, _ in samples])
    print(f"pixels a frame: samples {made:.2f}, real {true:.2f}, samples with their frames shuffled {torn:.2f}")
    assert 0.5 * true < made < 2 * true
    assert made < 0.6 * torn


def test_they_have_the_colour_that_was_asked_for(samples):
    right = []
    for clip, colour, _ in samples:
        bright = clip.reshape(-1, 3)
        bright = bright[bright.max(-1) > 110]
        if colour in COLOURS and len(bright):
            right.append(bright.mean(0).argmax() == COLOURS[colour])
    print(f"of the colour asked for: {np.mean(right):.3f}")
    assert np.mean(right) > 0.7  # by chance one in three is


def test_more_shapes_are_more_to_see(samples):
    seen = {n: np.mean([(clip.max(-1) > 110).mean() for clip, _, count in samples if count == n]) for n in (1, 2, 3)}
    print("share of bright pixels by number:", {n: round(float(share), 3) for n, share in seen.items()})
    assert seen[1] < seen[2] < seen[3]
