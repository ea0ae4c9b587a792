"""Everything that only a CUDA GPU can show, in parts of at most a minute: checks, then speed beside peers.

    python benchmarks/gpu.py [--part NAME ...] [--list] [--out FILE] [--minutes N] [--smoke]

Needs a CUDA GPU (exit code 2 without one) and no network. Each part runs in a process of its own and is stopped after a
minute; its result is a line of JSON on standard error, and in --out, as soon as it is there. Checks run side by side,
parts that are timed run alone, the most important ones first. When the minutes are over, no part is begun, and those
that are left are named: --part takes them up. Exit code 1 when a part fails. Peers are measured where they are installed
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
from tempfile import TemporaryFile
from typing import Any

from common import arguments, emit

SECONDS = 60
"""The most that a part may take."""
MINUTES = 9.0
"""The most that all parts take."""
LEAST = 15
"""Seconds without which no part is begun: a process imports, builds and compiles for most of them."""
TOGETHER = 8
"""Checks that run side by side."""

Facts = dict[str, Any]


def checks() -> dict[str, Any]:
    import gpu_checks

    return {f"check-{check.__name__.removeprefix('check_')}": check for check in gpu_checks.CHECKS}


def speeds() -> dict[str, Any]:
    import gpu_speed

    return gpu_speed.parts()  # in the order of their importance


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


def elsewhere(name: str, smoke: bool, seconds: float) -> Facts:
    """Run one part in a process of its own, for so long at most. What it had found by then counts."""
    command = [sys.executable, __file__, "--part", name, "--here", *(["--smoke"] if smoke else [])]
    with TemporaryFile("w+", encoding="utf-8") as said:
        try:
            code = subprocess.run(command, stdout=said, timeout=seconds).returncode
            reason = f"its process ended with code {code}" if code else ""
        except subprocess.TimeoutExpired:
            reason = f"it had not ended after {seconds:.0f} s"
        said.seek(0)
        lines = [line for line in said.read().splitlines() if line.startswith("{")]
    found = json.loads(lines[-1]) if lines else {}
    whole = "seconds" in found
    return {"part": name, **found, **({} if whole else {"failed": reason or "it said nothing"})}


def run(names: list[str], minutes: float, out: Path | None, smoke: bool) -> list[Facts]:
    """Checks side by side, then the rest one after the other, in their order."""
    start, results = time.monotonic(), []

    def one(name: str) -> None:
        left = 60 * minutes - (time.monotonic() - start)
        found = (
            {"part": name, "left_out": "no time was left"}
            if left < LEAST
            else elsewhere(name, smoke, min(SECONDS, left))
        )
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
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="for all parts, %(default)g by default"
    )
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
    results = run(list(chosen), options.minutes, options.out, options.smoke)
    name = torch.cuda.get_device_name() if cuda else "cpu"
    emit(
        {
            "device": name,
            "torch": torch.__version__,
            "parts": results,
            "ratios": ratios(results),
            "left_out": [row["part"] for row in results if "left_out" in row],
        },
        options.smoke,
    )
    return int(any("failed" in row for row in results))


SMOKE = ["train-molecules", "peers-molecules", "sampling"]
"""The parts of a smoke run on a CPU, which go through most of the code."""


if __name__ == "__main__":
    sys.exit(main())
