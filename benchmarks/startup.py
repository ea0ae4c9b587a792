"""Start-up: CPU seconds of the commands that people wait for, each the least of several runs, as JSON.

python benchmarks/startup.py
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

RUNS = 7

# Command line -> the CPU milliseconds it may take.
LIMITS = {
    ("--help",): 100,
    ("train", "-m", "image", "--help"): 250,
    ("list", "samplers"): 250,
}


def cpu_ms(args: tuple[str, ...]) -> float:
    """User and system time of one run in a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "difftool", *args], stdout=subprocess.DEVNULL, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> int:
    rows = []
    for args, limit in LIMITS.items():
        times = sorted(cpu_ms(args) for _ in range(RUNS))
        rows.append(
            {
                "command": " ".join(("difftool", *args)),
                "cpu_ms": round(times[0], 1),
                "median_ms": round(times[RUNS // 2], 1),
                "limit_ms": limit,
            }
        )
    bare = min(_bare_ms() for _ in range(RUNS))
    print(json.dumps({"benchmark": "startup", "bare_python_ms": round(bare, 1), "rows": rows}, indent=2))
    return int(any(row["cpu_ms"] > row["limit_ms"] for row in rows))


def _bare_ms() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    sys.exit(main())
