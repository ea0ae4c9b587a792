"""Start-up: CPU seconds of the commands that people wait for, each the least of several runs, as JSON.

    python benchmarks/startup.py [--runs N] [--smoke]

``--help`` and ``plugins list`` are also timed with small plugins installed, which are generated for it: each provides a
sampler, a metric and a command, none of which needs to be imported to be listed. The exit code is 1 when a command takes
longer than its limit.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common import arguments, emit

PLUGINS = (0, 5, 20)

LIMITS = {
    ("--help",): 100,
    ("train", "-m", "image", "--help"): 250,
    ("list", "samplers"): 250,
}
"""Command line -> the CPU milliseconds that it may take."""
WITH_PLUGINS = {("--help",): 100, ("plugins", "list"): 150}

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
    about.joinpath("METADATA").write_text(
        f"Metadata-Version: 2.1\nName: difftool-{name}\nVersion: 1.0\nSummary: One of many.\n",
        "utf-8",
    )
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


def timed(args: tuple[str, ...], limit: float, runs: int, plugins: int = 0) -> dict[str, Any]:
    """One row: the least and the median of several runs with so many generated plugins."""
    with TemporaryDirectory() as folder:
        for i in range(plugins):
            install(Path(folder), f"many{i}")
        cpu_ms(("-m", "difftool", *args), Path(folder))  # writes the byte code
        times = sorted(cpu_ms(("-m", "difftool", *args), Path(folder)) for _ in range(runs))
    row = {
        "command": " ".join(("difftool", *args)),
        "plugins": plugins,
        "cpu_ms": round(times[0], 1),
    }
    return {
        **row,
        "median_ms": round(times[runs // 2], 1),
        "limit_ms": limit,
        "held": times[0] <= limit,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--plugins", type=int, nargs="+", default=[0, 5, 20])
    options = arguments(parser, {"runs": 1, "plugins": [0, 2]})
    rows = [timed(args, limit, options.runs) for args, limit in LIMITS.items()]
    rows += [
        timed(args, limit, options.runs, n)
        for args, limit in WITH_PLUGINS.items()
        for n in options.plugins
    ]
    bare = min(cpu_ms(("-c", "pass")) for _ in range(options.runs))
    emit({"bare_python_ms": round(bare, 1), "rows": rows}, options.smoke)
    return int(not options.smoke and not all(row["held"] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
