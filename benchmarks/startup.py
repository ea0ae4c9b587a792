"""Start-up: CPU seconds of the commands that people wait for, each the least of several runs, as JSON.

python benchmarks/startup.py [--smoke]

``--help`` and ``plugins list`` are also timed beside small plugins that are generated for it: each provides a sampler, a metric
and a command, none of which needs to be imported to be listed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

RUNS = 7
PLUGINS = (0, 5, 20)

# Command line -> the CPU milliseconds it may take.
LIMITS = {
    ("--help",): 100,
    ("train", "-m", "image", "--help"): 250,
    ("list", "samplers"): 250,
}
BESIDE_PLUGINS = {("--help",): 100, ("plugins", "list"): 150}

PLUGIN = """
from difftool import Spec, hookimpl


@hookimpl
def difftool_samplers():
    return [Spec("{name}", "a solver", "{name}.sampler:{name}")]


@hookimpl
def difftool_metrics():
    return [Spec("{name}", "a measure", "{name}.metric:Metric")]
"""


def install(site: Path, name: str) -> None:
    """A plugin as pip would leave it, without its heavy modules."""
    (site / name).mkdir()
    (site / name / "plugin.py").write_text(PLUGIN.format(name=name), encoding="utf-8")
    about = site / f"difftool_{name}-1.0.dist-info"
    about.mkdir()
    about.joinpath("METADATA").write_text(f"Metadata-Version: 2.1\nName: difftool-{name}\nVersion: 1.0\nSummary: One of many.\n", "utf-8")
    points = f"[difftool]\n{name} = {name}.plugin\n\n[difftool.commands]\n{name} = {name}.command:command\n"
    about.joinpath("entry_points.txt").write_text(points, encoding="utf-8")


def cpu_ms(words: tuple[str, ...], site: Path | None = None) -> float:
    """User and system time of one run of Python in a fresh process."""
    path = os.pathsep.join(filter(None, [str(site or ""), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True, env=env)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def timed(args: tuple[str, ...], limit: float, runs: int, plugins: int = 0) -> dict[str, object]:
    """One row: the least and the median of several runs beside so many generated plugins."""
    with TemporaryDirectory() as folder:
        for i in range(plugins):
            install(Path(folder), f"many{i}")
        cpu_ms(("-m", "difftool", *args), Path(folder))  # writes the byte code
        times = sorted(cpu_ms(("-m", "difftool", *args), Path(folder)) for _ in range(runs))
    row = {"command": " ".join(("difftool", *args)), "plugins": plugins, "cpu_ms": round(times[0], 1)}
    return {**row, "median_ms": round(times[runs // 2], 1), "limit_ms": limit}


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of start-up.")
    parser.add_argument("--smoke", action="store_true", help="one run of each, to see that it works; nothing is held to a limit")
    smoke = parser.parse_args().smoke
    runs = 1 if smoke else RUNS
    rows = [timed(args, limit, runs) for args, limit in LIMITS.items()]
    rows += [timed(args, limit, runs, n) for args, limit in BESIDE_PLUGINS.items() for n in PLUGINS]
    bare = min(cpu_ms(("-c", "pass")) for _ in range(runs))
    print(json.dumps({"benchmark": "startup", "bare_python_ms": round(bare, 1), "rows": rows}, indent=2))
    return int(not smoke and any(row["cpu_ms"] > row["limit_ms"] for row in rows))  # type: ignore[operator]


if __name__ == "__main__":
    sys.exit(main())
