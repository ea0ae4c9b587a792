"""The kill campaign: trainings, cascades and exports that are killed, then continued, and compared with one left alone.

A crash point is the moment before an operation on a file: opening it to write, renaming, removing, making a folder.
``python tests/fuzz/kills.py --points 20 --random 5`` prints what went wrong as JSON. Work runs in forks of this
process, which has imported everything and done nothing, so that a kill costs a third of a second.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from safetensors.torch import load_file
from small import SETS, TWO, pictures, registry

from difftool.cli import main

CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate"}
"""Audit events that change a folder; ``open`` counts where it writes."""

STEPS = [
    "--set",
    "train.steps=6",
    "--set",
    "train.save_every=3",
    "--set",
    "train.preview=2",
    "--set",
    "train.preview_every=3",
]
SAVED = ["--set", "ema.snapshot_every=3"]


def _sets(leaving: str = "-") -> list[str]:
    """The settings of a tiny run, without those that are set here."""
    ours = ("train.preview", "train.save_every", "train.steps", leaving)
    return [word for item in SETS if not item.startswith(ours) for word in ("--set", item)]


@dataclass(frozen=True)
class Work:
    """Work that may be killed.

    Attributes:
        args: the command line that begins it.
        again: the command line that continues it in a folder, after a kill.
        result: what came of it in a folder, to compare.
    """

    args: list[str]
    again: Callable[[Path], list[str]]
    result: Callable[[Path], dict[str, Any]]


# --- what came of it -------------------------------------------------------------------------------------------------


def run_result(run: Path) -> dict[str, Any]:
    """A run's weights and records, without what differs between any two runs: times and speeds."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    weights = {
        path.relative_to(run).as_posix(): _tensors(path)
        for path in sorted(run.rglob("*.safetensors"))
    }
    return {
        **weights,
        "metrics": [
            {
                name: value
                for name, value in row.items()
                if name not in ("examples_per_second", "memory_bytes")
            }
            for row in rows
        ],
        "previews": {path.name: path.read_bytes() for path in sorted((run / "samples").glob("*"))},
        "report": _drawn((run / "report.html").read_text()),
        "config": (run / "config.toml").read_text(),
        "description": (run / "description.json").read_text(),
        "partial": sorted(path.name for path in run.rglob(".*.partial")),
    }


def _tensors(path: Path) -> list[tuple[str, bytes]]:
    """The tensors of a file by name, as bytes: equal where every bit is."""
    found = sorted(load_file(path).items())
    return [
        (
            name,
            tensor.contiguous().view(torch.uint8).numpy().tobytes()
            if tensor.ndim
            else tensor.numpy().tobytes(),
        )
        for name, tensor in found
    ]


def _drawn(report: str) -> list[str]:
    """The pictures and the curves of a report, but for those of the speed and the memory."""
    report = re.sub("<h2>(?:Speed and|Memory).*?(?=<h2>|$)", "", report, flags=re.DOTALL)
    curve = re.findall(r'<path d="[^"]*"', report)
    return re.findall(r"data:image[^\"]*", report) + curve


def cascade_result(cascade: Path) -> dict[str, Any]:
    stages = sorted(path.parent for path in cascade.glob("[!.]*/config.toml"))
    return {
        "cascade": (cascade / "cascade.toml").read_text(),
        **{stage.name: run_result(stage) for stage in stages},
    }


def export_result(file: Path) -> dict[str, Any]:
    return {"file": file.read_bytes()}


# --- kinds of work ---------------------------------------------------------------------------------------------------


def works(root: Path) -> dict[str, Work]:
    """The kinds of work. Each writes to ``out`` in the folder where it is run."""
    data, two = str(pictures()), root / "two.toml"
    two.write_text(TWO)
    train = ["train", data, "-m", "image", "--run", "out", *_sets(), *STEPS, *SAVED]
    both = ["train", str(two), data, "--run", "out", *_sets(leaving="modality.size"), *STEPS]
    export = ["export", str(root / "reference" / "run" / "out"), "--to", "out.safetensors"]

    def resumed(begin: list[str]) -> Callable[[Path], list[str]]:
        return lambda folder: ["resume", "out"] if (folder / "out").is_dir() else begin

    return {
        "run": Work(train, resumed(train), lambda folder: run_result(folder / "out")),
        "cascade": Work(both, resumed(both), lambda folder: cascade_result(folder / "out")),
        "export": Work(
            export, lambda folder: export, lambda folder: export_result(folder / "out.safetensors")
        ),
    }


# --- running ---------------------------------------------------------------------------------------------------------


def forked(
    args: list[str], folder: Path, at: int = 0, count: Path | None = None, after: float = 0.0
) -> int:
    """Run a command line in a fork; returns its exit code, or minus the signal that ended it.

    Args:
        at: kill it before the operation of this number on a file in the folder; 0 for never.
        count: file to which the number of operations is written.
        after: kill it after so many seconds; 0 for never.
    """
    child = os.fork()
    if not child:
        _work(args, folder, at, count)
    if after:
        _kill_after(child, after)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _kill_after(child: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.005)
    with suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)


def _work(args: list[str], folder: Path, at: int, count: Path | None) -> None:
    """The life of a fork: it never returns."""
    code: Any = 99
    try:
        log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.chdir(folder)
        done = 0

        def hook(name: str, facts: tuple[Any, ...]) -> None:
            nonlocal done
            if _changes(name, facts):
                done += 1
                if done == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        try:
            main(args)
        except SystemExit as leaving:
            code = leaving.code
        at = 0
        if count:
            count.write_text(str(done))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 0)


def _changes(name: str, facts: tuple[Any, ...]) -> bool:
    """Whether an audit event is a change below the folder in which the work runs."""
    if name == "open":
        path, mode, flags = facts
        if isinstance(path, int) or not (
            set(mode or "") & set("wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
        ):
            return False
    elif name not in CHANGES:
        return False
    path = os.path.abspath(os.fsdecode(facts[0]))
    return path.startswith(os.getcwd() + os.sep)


def killed(
    work: Work, folder: Path, reference: dict[str, Any], points: list[int], after: list[float]
) -> list[str]:
    """Kill the work at these points, or after these times, continue it, and say in what it differs."""
    args = work.args
    for point, seconds in zip(points, after, strict=True):
        forked(args, folder, at=point, after=seconds)
        args = work.again(folder)
    code = forked(args, folder)
    if code and "already exists" in _log(folder):  # the kill came when all was done
        code = 0
    if code:
        return [f"cannot be continued (code {code}): {_log(folder)[-300:]}"]
    try:
        return list(differences(reference, work.result(folder)))
    except (OSError, ValueError) as error:
        return [f"left {error}"]


def _log(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")


def differences(one: Any, other: Any, name: str = "") -> Iterator[str]:
    """The names of the entries that differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from differences(one.get(key), other.get(key), f"{name}/{key}")
    elif one != other:
        yield (
            f"{name} differs"
            if one is not None and other is not None
            else f"{name} is {'new' if one is None else 'missing'}"
        )


def campaign(root: Path, kinds: list[str], points: int, times: int, seed: int) -> dict[str, Any]:
    """Kill each kind of work at evenly spread crash points (0: all), and at random times."""
    rng, failures, kills, begun = Random(seed), list[dict[str, Any]](), 0, time.monotonic()
    (root / "reference").mkdir()
    found = works(root)
    counts = dict[str, int]()
    for kind in ("run", *(kind for kind in kinds if kind != "run")):
        folder = root / "reference" / kind
        folder.mkdir()
        started = time.monotonic()
        code = forked(found[kind].args, folder, count=root / "count")
        assert code == 0, _log(folder)
        lasts, counts[kind] = time.monotonic() - started, int((root / "count").read_text())
        if kind not in kinds:
            continue
        reference = found[kind].result(folder)
        each = range(1, counts[kind] + 1)
        chosen = (
            list(each)
            if not points
            else sorted({each[i * len(each) // points] for i in range(points)})
        )
        plans = [([point], [0.0]) for point in chosen]
        for _ in range(times if kind != "export" else 0):
            several = rng.randint(1, 3)
            plans.append(
                ([0] * several, [rng.uniform(0, 1.2 * lasts) + 1e-3 for _ in range(several)])
            )
        for at, after in plans:
            work = Path(mkdtemp(prefix=f"{kind}-", dir=root))
            if wrong := killed(found[kind], work, reference, at, after):
                failures.append({"kind": kind, "points": at, "seconds": after, "wrong": wrong})
            kills += len(at)
            print(f"{kind}: {kills} kills, {len(failures)} failures", file=sys.stderr)
            shutil.rmtree(work)
    return {
        "kills": kills,
        "operations": counts,
        "seconds": round(time.monotonic() - begun, 1),
        "failures": failures,
    }


def command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--points", type=int, default=5, help="crash points of each kind of work; 0 for all"
    )
    parser.add_argument(
        "--random", type=int, default=2, help="trials with kills at random times, one to three each"
    )
    parser.add_argument("--kinds", default="run,cascade,export")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    root = Path(mkdtemp(prefix="difftool-kills-")).resolve()
    os.environ["DIFFTOOL_CACHE"] = str(root / "cache")
    try:
        registry()
        found = campaign(root, args.kinds.split(","), args.points, args.random, args.seed)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["failures"]))


if __name__ == "__main__":
    command_line()
