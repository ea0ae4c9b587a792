"""Speed of training and sampling on a GPU, and where the time goes. Parts of gpu.py."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from common import Work
from gpu_peers import PEERS
from gpu_subjects import (
    CUDA,
    DEVICE,
    SUBJECTS,
    TINY,
    TURNS,
    batches,
    pictures,
    pinned,
    stage_of,
    step_of,
)
from PIL import Image

import difftool
from difftool.engine.capture import Captured
from difftool.engine.cost import batch_flops
from difftool.engine.fit import make_step
from difftool.engine.generate import generate
from difftool.engine.sample_request import SampleRequest
from difftool.nn.backbone import Signals

Facts = dict[str, Any]

PEAKS = {"H200": 790e12}
"""Attainable bf16 FLOP/s by a part of the card's name; on other cards a matrix product is timed."""
ROUNDS = 5
STEPS = 25
"""Evaluations of a sample."""


def synchronize() -> None:
    if CUDA:
        torch.cuda.synchronize()


def timed(work: Work, seconds: float) -> tuple[float, float]:
    """Median seconds of a piece of work, and of the host's part of it, over about this long."""
    start = time.perf_counter()
    work()
    synchronize()
    each = max(1, int(seconds / ROUNDS / max(time.perf_counter() - start, 1e-6)))
    walls, hosts = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(each):
            work()
        hosts.append((time.perf_counter() - start) / each)
        synchronize()  # once a round: the host runs ahead, as it does in training
        walls.append((time.perf_counter() - start) / each)
    return statistics.median(walls), statistics.median(hosts)


def peak_flops() -> float:
    """bf16 FLOP/s that this card attains."""
    name = torch.cuda.get_device_name() if CUDA else ""
    if known := next((value for part, value in PEAKS.items() if part in name), None):
        return known
    n = 8192 if CUDA else 256
    a, b = (torch.randn(n, n, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 / timed(lambda: a @ b, 1.0)[0]


def flops_of(name: str, **settings: Any) -> float:
    """Floating-point operations of a training step, forward and backward, of products and
    convolutions.
    """
    stage = stage_of(name, **settings)
    assert stage.objective is not None
    raw = next(batches(stage, name)).map(lambda t: t.to(DEVICE))
    each = batch_flops(stage.objective, stage.representation.encode(raw))
    return (each or 0.0) * stage.settings.train.batch


def training(name: str, smoke: bool) -> Facts:
    """A step as the engine chooses to take it, and one without compiling and recording; of pictures
    also at a batch of 16.
    """
    found = measured(name, smoke)
    found["plain"] = measured(name, smoke, "plain")
    if name == "small" and not smoke:
        found["batch_16"] = measured(name, smoke, batch=16)
    return found


def measured(name: str, smoke: bool, how: str = "", batch: int = 0) -> Facts:
    """A step of the engine: its time, the device's share of it, and the first steps.

    Args:
        how: "" for what the engine chooses; "plain" without compiling and recording.
    """
    settings: dict[str, Any] = TINY[name] | {"train.batch": 2} if smoke else {}
    settings = settings | ({"train.batch": batch} if batch and not smoke else {})
    off = {"train.compile": "off", "train.capture": "off"}
    flops = flops_of(name, **settings)
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    step, raws = step_of(name, **settings, **(off if how == "plain" else {}))
    number = count()

    def work() -> None:
        step(next(number), next(raws))

    start = time.perf_counter()
    work()
    synchronize()
    first = time.perf_counter() - start
    for _ in range(2 if smoke else 11):  # shapes are met, compiled and recorded
        work()
    synchronize()
    ready = time.perf_counter() - start
    wall, host = timed(work, 0.0 if smoke else 3.0)
    found: Facts = {
        "how": how or "as the engine chooses",
        "batch": step.train.batch,
        "parameters": sum(p.numel() for p in step.objective.parameters()),
        "examples_per_second": round(step.train.batch / wall, 1),
        "ms_per_step": round(1000 * wall, 3),
        "host_ms_per_step": round(1000 * host, 3),
        "share_of_roofline": round(flops / wall / peak_flops(), 3),
        "first_step_s": round(first, 1),
        "twelve_steps_s": round(ready, 1),
        "recorded": step.replay is not None and not step.replay.stopped,
    }
    if CUDA:
        found["peak_memory_mb"] = round(torch.cuda.max_memory_allocated() / 1e6)
        found |= kernels(work, wall)
    return found


ONCE = """
import json, sys, time
from gpu_speed import TINY, step_of, synchronize
name, smoke = sys.argv[1], sys.argv[2] == "smoke"
step, raws = step_of(name, **(TINY[name] | {"train.batch": 2} if smoke else {}))
start = time.perf_counter()
step(0, next(raws))
synchronize()
print(json.dumps(time.perf_counter() - start))
"""


def first_steps(smoke: bool) -> Facts:
    """Seconds of the first step of every subject, which compiles: with an empty cache folder, and by
    the next process, which finds there what the first one compiled.

    Subjects run side by side: what takes the time is the compiler, on cores of the host.
    """
    names = ["molecules"] if smoke else list(SUBJECTS)
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(lambda name: first_step(name, smoke), names), strict=True))


def first_step(name: str, smoke: bool) -> Facts:
    """Cold and warm, of one subject."""
    with TemporaryDirectory() as folder:
        kept = {"TORCHINDUCTOR_CACHE_DIR": folder, "TRITON_CACHE_DIR": f"{folder}/triton"}
        command = [sys.executable, "-c", ONCE, name, "smoke" if smoke else ""]

        def once() -> float:
            done = subprocess.run(
                command, cwd=Path(__file__).parent, env=os.environ | kept, check=True,
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            return round(json.loads(done.stdout.splitlines()[-1]), 2)

        return {"cold_s": once(), "warm_s": once()}


def kernels(work: Work, wall: float) -> Facts:
    """The device's time of a step, and the kernels that take most of it, in milliseconds."""
    from torch.profiler import ProfilerActivity, profile

    steps = 3
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        for _ in range(steps):
            work()
        synchronize()
    rows = sorted(
        ((row.self_device_time_total / steps / 1e3, row.count // steps, row.key)
         for row in profiled.key_averages()),
        reverse=True,
    )  # fmt: skip
    busy = sum(ms for ms, _, _ in rows)
    return {
        "device_ms_per_step": round(busy, 3),
        "wall_over_device": round(1000 * wall / max(busy, 1e-9), 3),
        "kernels_per_step": sum(number for _, number, _ in rows),
        "most": {key[:100]: [round(ms, 3), number] for ms, number, key in rows[:24]},
    }


def peer(name: str, smoke: bool) -> Facts:
    """The peers of a subject, eager and compiled, each at the same batch.

    What is found is printed as it comes: a peer that compiles for long must not cost the others.
    """
    found: Facts = {}
    batch = 2 if smoke else min(SUBJECTS[name].batch, 128)
    for label, make in PEERS[name].items():
        for how in ("eager",) if smoke else ("eager", "compiled"):
            torch._dynamo.reset()
            try:
                parameters, work = make(batch, how == "compiled", smoke)
                for _ in range(1 if smoke else 5):
                    work()
                wall, _ = timed(work, 0.0 if smoke else 1.5)
            except Exception as error:  # a peer that is missing or breaks is no fault of ours
                reason = str(error).splitlines()[0] if str(error) else ""
                found[f"{label}, {how}"] = {"failed": f"{type(error).__name__}: {reason}"}
                continue
            found[f"{label}, {how}"] = {
                "parameters": parameters,
                "examples_per_second": round(batch / wall, 1),
                "ms_per_step": round(1000 * wall, 3),
            }
            print(json.dumps({"batch": batch, "peers": found}), flush=True)
    return {"batch": batch, "peers": found}


def sampling(smoke: bool) -> Facts:
    """The whole of ``generate``, one evaluation a step, beside the bare replayed evaluations."""
    name, n = "small", 2 if smoke else 64
    stage = stage_of(name, **(TINY[name] if smoke else {}), **{"train.compile": "off"})
    steps = 2 if smoke else STEPS
    many = SampleRequest(n=n if smoke else 8 * n, steps=steps, batch=n)
    x = torch.randn(n, 3, 32, 32, device=DEVICE)
    level = x.new_ones(n)
    network = Captured(stage.denoiser) if CUDA else stage.denoiser
    list(generate(stage, SampleRequest(n=n, steps=steps, batch=n)))
    wall, _ = timed(lambda: list(generate(stage, many)), 0.0 if smoke else 4.0)
    with torch.inference_mode():
        network(x, level, Signals())
        bare, _ = timed(lambda: network(x, level, Signals()), 0.0 if smoke else 1.0)
    per_evaluation = wall / (many.n // n) / steps
    return {
        "batch": n,
        "evaluations": steps,
        "examples_per_second": round(many.n / wall, 1),
        "ms_per_evaluation": round(1000 * per_evaluation, 3),
        "bare_ms": round(1000 * bare, 3),
        "share_of_bare": round(bare / per_evaluation, 3),
    }


def feeding(smoke: bool) -> Facts:
    """Steps of ``difftool train`` on files, beside the same step on batches that lie ready.

    In turn. By the clock on a GPU; on a CPU by CPU time, which the loader's thread adds to.
    """
    clock = time.perf_counter if CUDA else time.process_time
    recipe, batch = ("small", 128) if CUDA else ("tiny", 2 if smoke else 32)
    settings: dict[str, Any] = TINY["small"] if smoke else {}
    settings = {**settings, "modality.size": 32, "train.batch": batch, "train.steps": 10**6}
    with TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        for number, picture in enumerate(pictures(64 if smoke else 4096)):
            Image.fromarray(picture.transpose(1, 2, 0)).save(data / f"{number}.png")
        own = {**settings, "train.preview": 0, "train.save_every": 10**6, "recipe": recipe}
        run = iter(difftool.training("image", data, run=Path(folder) / "run", **own))
        next(run)
        model = difftool.build("image", data, **own)
        raws = cycle([raw.map(pinned) for raw in model.batches(TURNS)])
        step, number = make_step(model.stage, model.stage.settings.train), count()
        works = [lambda: next(run), lambda: step(next(number), next(raws))]
        rounds, each = (1, 1) if smoke else (9, 40 if CUDA else 3)
        seconds: list[list[float]] = [[], []]
        for work in works * (1 if smoke else 12):  # compiled and recorded by then
            work()
        for _ in range(rounds):
            for times, work in zip(seconds, works, strict=True):
                synchronize()
                begun = clock()
                for _ in range(each):
                    work()
                synchronize()
                times.append((clock() - begun) / each)
        run.close()
    whole, bare = (statistics.median(times) for times in seconds)
    return {
        "batch": batch,
        "ms_per_step_from_files": round(1000 * whole, 3),
        "ms_per_bare_step": round(1000 * bare, 3),
        "over_bare": round(statistics.median(a / b for a, b in zip(*seconds, strict=True)), 3),
    }


def memory(smoke: bool) -> Facts:
    """What a dry run foretells of a step's memory, beside what its steps took."""
    found = {}
    for name, batch in {"small": 2 if smoke else 128, "cifar-edm": 2 if smoke else 256}.items():
        command = [sys.executable, "-m", "difftool", "train", "-m", "image", "--recipe", name]
        sets = [f"train.batch={batch}", "modality.size=32"]
        sets += [f"{key}={json.dumps(value)}" for key, value in TINY[name].items()] if smoke else []
        words = [word for one in sets for word in ("--set", one)]
        done = subprocess.run(
            [*command, *words, "--dry-run", "--json"], check=True, stdout=subprocess.PIPE, text=True
        )
        plan = json.loads(done.stdout)
        found[name] = {
            key: plan[key]
            for key in ("memory_needed_bytes", "memory_bytes", "preview_memory_bytes")
        }
    return found


def parts() -> dict[str, Callable[[bool], Facts]]:
    """Name -> what is measured, with ``smoke``; each alone on the device, the most important first."""
    found: dict[str, Callable[[bool], Facts]] = {}
    for name in SUBJECTS:
        found[f"train-{name}"] = lambda smoke, name=name: training(name, smoke)
    found["sampling"] = sampling
    for name in PEERS:
        found[f"peers-{name}"] = lambda smoke, name=name: peer(name, smoke)
    return found | {"first": first_steps, "feeding": feeding, "memory": memory}
