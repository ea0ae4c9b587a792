"""The page in a real browser: scrubbing through 500 previews, and something that turns."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from difftool.report import rendered
from difftool.report.media import Media, shown

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-headless-shell"))), None)
MARK = "tested:"

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium"),
]

SCRIPT = """<script>
window.onload = () => {
  const strip = document.querySelector(".strip"), slider = strip.querySelector("input");
  const seen = [];
  for (const at of [0, 250, 499]) {
    slider.value = at; slider.oninput();
    const visible = [...strip.querySelectorAll(".frame")].filter(one => !one.hidden);
    seen.push(visible.length, visible[0].querySelector("figcaption").textContent);
  }
  const canvas = document.querySelector("canvas.scene"), pen = canvas.getContext("2d");
  const pixels = () => pen.getImageData(0, 0, canvas.width, canvas.height).data;
  const press = key => canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
  press("ArrowLeft"); const first = pixels(); press("ArrowUp"); const second = pixels();
  const drawn = first.some(one => one), moved = first.some((one, i) => one != second[i]);
  document.title = "tested:" + JSON.stringify({ seen, drawn, moved, wide: document.documentElement.scrollWidth - innerWidth });
};
</script></body>"""


def test_five_hundred_previews_are_scrubbed_and_a_scene_is_turned(tmp_path):
    for i in range(500):
        Image.fromarray(np.full((16, 16, 3), i // 2, np.uint8)).save(
            tmp_path / f"preview-{i:08d}.png"
        )
    balls = [[0, 0, 0, 0.4], [1, 0, 0, 0.3], [0, 1, 0.5, 0.3]]
    scene = {
        "balls": balls,
        "colours": ["#6e6e6e", "#f01414", "#3050f8"],
        "sticks": [[0, 1, 2], [0, 2, 1]],
    }
    page = rendered(
        "report.html.j2",
        name="run",
        verdict=[],
        evaluation=None,
        quality="",
        beside=[],
        beside_sheets=[],
        number=str,
        nearest=[],
        facts=[],
        curves=[],
        previews=shown(sorted(tmp_path.glob("preview-*"))),
        evaluated=[Media("scene", json.dumps(scene), "00")],
        rights=None,
        config="",
        environment="",
    )
    path = tmp_path / "page.html"
    path.write_text(page.replace("</body>", SCRIPT))
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,900"]
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    made = subprocess.run([*words, path.as_uri()], capture_output=True, text=True, timeout=180)
    title = made.stdout.split("<title>")[1].split("</title>")[0]
    assert title.startswith(MARK), made.stderr[-500:]
    found = json.loads(title.removeprefix(MARK))
    names = [f"preview-{i:08d}" for i in (0, 250, 499)]
    assert found["seen"] == [1, names[0], 1, names[1], 1, names[2]]
    assert found["drawn"]
    assert found["moved"]
    assert found["wide"] <= 0, "nothing sticks out of a narrow page"
