"""Everything that only a CUDA GPU can show, in parts of at most a minute: checks, then speed beside peers.

    python benchmarks/gpu.py [--part NAME ...] [--list] [--out FILE] [--limit SECONDS] [--smoke]

Needs a CUDA GPU (exit code 2 without one) and no network. Each part runs in a process of its own and is stopped after a
minute; its result is a line of JSON on standard output, and in --out, as soon as it is there. Checks run side by side,
parts that are timed run alone. Exit code 1 when a part fails. Peers are measured where they are installed
(``pip install ".[benchmark]"``). --smoke runs on a CPU what can run there, at tiny sizes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from common import arguments, emit

SECONDS = 60
"""The most that a part may take."""
LIMIT = 540
"""The most that all parts take; those that have not begun by then are left out, and named."""
TOGETHER = 6
"""Checks that run side by side."""

Facts = dict[str, Any]


def checks() -> dict[str, Any]:
    import gpu_checks

    return {f"check-{check.__name__.removeprefix('check_')}": check for check in gpu_checks.CHECKS}


def speeds() -> dict[str, Any]:
    import gpu_speed

    return gpu_speed.parts()


def here(name: str, smoke: bool) -> Facts:
    """Run one part in this process."""
    from difftool.plugin.registry import Registry

    start = time.perf_counter()
    try:
        if name.startswith("check-"):
            found = {"passed": True, **checks()[name](Registry.load_all())}
        else:
            found = speeds()[name](smoke)
    except Exception as error:  # a part that breaks says so, and the others still tell something
        traceback.print_exc()
        found = {"failed": f"{type(error).__name__}: {error}"}
    return {"part": name, **found, "seconds": round(time.perf_counter() - start, 1)}


def elsewhere(name: str, smoke: bool) -> Facts:
    """Run one part in a process of its own, for a minute at most."""
    command = [sys.executable, __file__, "--part", name, "--here", *(["--smoke"] if smoke else [])]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return {"part": name, "failed": f"it had not ended after {SECONDS} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode and not lines:
        return {"part": name, "failed": f"its process ended with code {done.returncode}"}
    return json.loads(lines[-1])


def run(names: list[str], limit: float, out: Path | None, smoke: bool) -> list[Facts]:
    """Checks side by side, then the rest one after the other."""
    start, results = time.monotonic(), []

    def one(name: str) -> None:
        late = time.monotonic() - start > limit - SECONDS
        found = {"part": name, "left_out": "no time was left"} if late else elsewhere(name, smoke)
        results.append(found)
        line = json.dumps(found)
        print(line, file=sys.stderr, flush=True)
        if out:
            with out.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(one, [name for name in names if name.startswith("check-")]))
    for name in names:
        if not name.startswith("check-"):
            one(name)
    return results


def ratios(results: list[Facts]) -> Facts:
    """Our examples a second over those of the better peer, by subject."""
    found = {}
    for row in results:
        name = str(row["part"])
        rates = [p.get("examples_per_second", 0) for p in row.get("peers", {}).values()]
        ours = next(
            (
                one.get("examples_per_second")
                for one in results
                if one["part"] == name.replace("peers-", "train-")
            ),
            None,
        )
        if name.startswith("peers-") and ours and any(rates):
            found[name.removeprefix("peers-")] = round(ours / max(rates), 2)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", nargs="+", metavar="NAME", help="these parts alone")
    parser.add_argument("--list", action="store_true", help="name the parts, and stop")
    parser.add_argument("--out", type=Path, help="a file to which every result is added")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for all parts")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = arguments(parser, {})
    import torch

    cuda = torch.cuda.is_available()
    if options.here:
        print(json.dumps(here(options.part[0], options.smoke)))
        return 0
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    names = [*checks(), *speeds()]
    if options.list:
        print("\n".join(names))
        return 0
    if not cuda and not options.smoke:
        print("benchmarks/gpu.py needs a CUDA GPU, and torch sees none here.", file=sys.stderr)
        return 2
    if unknown := set(options.part or ()) - set(names):
        print(f"{', '.join(unknown)} is not a part. --list names the parts.", file=sys.stderr)
        return 2
    chosen = options.part or (names if cuda else SMOKE)
    results = run(list(chosen), options.limit, options.out, options.smoke)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    emit(
        {
            "device": name,
            "torch": torch.__version__,
            "parts": results,
            "ratios": ratios(results),
        },
        options.smoke,
    )
    return int(any("failed" in row for row in results))


SMOKE = ["train-molecules", "peers-molecules", "sampling"]
"""The parts of a smoke run on a CPU, which go through most of the code."""


if __name__ == "__main__":
    sys.exit(main())
