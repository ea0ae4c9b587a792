"""A training step with captions over one without conditions, at equal network; and how often sampling encodes a text.

    python benchmarks/text_step.py [--network NAME] [--batch N] [--rounds N] [--smoke]

Both models have the recipe ``tiny`` for pictures of 32 pixels, or ``dit-tiny``; one is trained on captions as ``conditions.caption.use = "text"``
does. A step is the whole of it: loss, gradients, optimizer and averages. CPU seconds, one thread; the steps take turns, and
the least of each is used, which other work on the machine affects the least.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import arguments, emit
from PIL import Image

import difftool

LEVEL = 1.15
COLOURS = ("red", "green", "blue", "yellow", "purple", "orange", "black", "white")
SIZE = 32


def write_data(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    for i in range(n):
        letter, one, other = "ABCDEFGHIJ"[i % 10], COLOURS[i % 8], COLOURS[(i // 8) % 8]
        picture = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(f"a {one} letter {letter} on a {other} background")


def make_model(folder: Path, recipe: str, batch: int, text: bool) -> difftool.Built:
    conditions = {"caption": {"use": "text"}} if text else {}
    return difftool.build(
        "image",
        folder,
        recipe=recipe,
        conditions=conditions,
        batch=batch,
        guidance={"scale": 3.0},
        device="cpu",
    )


def turns(models: list[difftool.Built], rounds: int) -> list[float]:
    """The least CPU seconds of a step of each, over rounds in which they take turns."""
    batches = [next(iter(model.batches(1))) for model in models]
    for model, batch in zip(models, batches, strict=True):
        model.step(batch)
    taken = [[] for _ in models]
    for _ in range(rounds):
        for own, model, batch in zip(taken, models, batches, strict=True):
            start = time.process_time()
            model.step(batch)
            own.append(time.process_time() - start)
    return [min(own) for own in taken]


def encodings(model: difftool.Built, steps: int) -> int:
    """How often a text is encoded in one guided sampling."""
    count = [0]
    encoder = model.stage.denoiser.conditioners["caption"]
    handle = encoder.register_forward_hook(lambda *_: count.__setitem__(0, count[0] + 1))
    model.sample(1, steps=steps, cond={"caption": "a red letter A"})
    handle.remove()
    return count[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="tiny", help="a recipe of pictures")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=6)
    options = arguments(parser, {"batch": 2, "rounds": 1})
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder, max(16, options.batch))
        models = [
            make_model(folder, options.network, options.batch, text) for text in (False, True)
        ]
        plain, text = turns(models, options.rounds)
        found: dict[str, Any] = {"encodings_of_a_sampling": encodings(models[1], 4)}
    emit(
        {
            "clock": "cpu",
            "threads": 1,
            "network": options.network,
            "batch": options.batch,
            "shape": (3, SIZE, SIZE),
            "plain_s": round(plain, 4),
            "text_s": round(text, 4),
            **found,
            "level": LEVEL,
            "ratio": round(text / plain, 3),
        },
        options.smoke,
    )


if __name__ == "__main__":
    main()
