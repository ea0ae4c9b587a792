"""Start-up: CPU seconds of the commands that people wait for, each the least of several runs, as JSON.

    python benchmarks/startup.py [--runs N] [--smoke]

The exit code is 1 when a command takes longer than its limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from typing import Any

from common import arguments, emit

LIMITS = {
    ("--help",): 100,
    ("train", "-m", "image", "--help"): 250,
    ("list", "samplers"): 250,
}
"""Command line -> the CPU milliseconds that it may take."""


def cpu_ms(*words: str) -> float:
    """User and system time of one run of Python in a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(command: tuple[str, ...], limit: int, runs: int) -> dict[str, Any]:
    times = sorted(cpu_ms("-m", "difftool", *command) for _ in range(runs))
    return {
        "command": " ".join(("difftool", *command)),
        "cpu_ms": round(times[0], 1),
        "median_ms": round(times[runs // 2], 1),
        "limit_ms": limit,
        "held": times[0] <= limit,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    options = arguments(parser, {"runs": 1})
    rows = [measure(command, limit, options.runs) for command, limit in LIMITS.items()]
    bare = min(cpu_ms("-c", "pass") for _ in range(options.runs))
    emit({"bare_python_ms": round(bare, 1), "rows": rows}, options.smoke)
    return int(not options.smoke and not all(row["held"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
