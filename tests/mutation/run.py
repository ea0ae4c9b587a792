"""Put one fault after another into copies of parts, and see which the contracts catch.

    python tests/mutation/run.py [--every N] [--only TEXT] [--sound]

writes a line of JSON for each fault: its kind, what it is, and the test that caught it. With ``--sound`` it runs the
contracts on the copies as they are: every one must pass.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from difftool.testing import parts  # noqa: E402
from mutation.copied import write_site  # noqa: E402
from mutation.faults import FAULTS, Fault  # noqa: E402
from mutation.subjects import SUBJECTS  # noqa: E402

MODULE = "import sys\nglobals().update(sys.modules['mutation_suites'].found)\n"
"""The module of tests that pytest collects."""

NUMBERS = count()


class First:
    """Notes the first test that fails, and why."""

    def __init__(self) -> None:
        self.failed, self.why, self.ran = "", "", 0

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.ran += report.when == "call"
        if report.failed and not self.failed:
            self.failed = report.nodeid.rpartition("::")[2]
            self.why = str(getattr(report.longrepr, "reprcrash", "") or "")[-200:]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = "collection"
            self.why = str(report.longrepr)[-300:]


def tested(subject: str, site: Path) -> First:
    """Run the contracts of a subject with the packages of this folder, up to the first failure."""
    first = First()
    try:
        found = {f"Test{i}": suite for i, suite in enumerate(SUBJECTS[subject]())}
    except Exception as error:
        first.failed, first.why = "the contract cannot be made", f"{type(error).__name__}: {error}"
        return first
    sys.modules["mutation_suites"] = suites = ModuleType("mutation_suites")
    vars(suites)["found"] = found
    # pytest keeps a module by its name
    module = site / f"test_suites_{next(NUMBERS)}.py"
    module.write_text(MODULE, encoding="utf-8")
    words = ["-x", "-q", "-p", "no:cacheprovider", "--rootdir", str(site), "-c", os.devnull]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        pytest.main([*words, "--import-mode=importlib", str(module)], [first])
    return first


def installed(site: Path, act: Callable[[], First]) -> First:
    """Act while the packages of this folder are installed, and forget them afterwards."""
    names = {entry.name for entry in site.iterdir() if (entry / "__init__.py").exists()}
    sys.path.insert(0, str(site))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(site), before]))
    torch.manual_seed(0)
    parts.registry.cache_clear()
    try:
        return act()
    finally:
        sys.path.remove(str(site))
        os.environ["PYTHONPATH"] = before
        parts.registry.cache_clear()
        for name in [n for n in sys.modules if n.partition(".")[0] in names]:
            del sys.modules[name]


def caught(fault: Fault, pristine: Path, folder: Path) -> First:
    """Put the fault into a copy of the packages, and run the contracts of its subject."""
    site = folder / "site"
    shutil.copytree(pristine, site)
    path = site / fault.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(fault.old, fault.new, 1), encoding="utf-8")
    return installed(site, lambda: tested(fault.subject, site))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="take each n-th fault")
    parser.add_argument("--only", default="", help="take faults whose line contains this text")
    parser.add_argument("--sound", action="store_true", help="test the copies without a fault")
    args = parser.parse_args()
    with TemporaryDirectory() as folder:
        write_site(pristine := Path(folder) / "pristine")
        if args.sound:
            for subject in SUBJECTS:
                if args.only in subject:
                    shutil.copytree(pristine, site := Path(folder) / subject)
                    say(installed(site, lambda s=subject, p=site: tested(s, p)), subject=subject)
            return
        chosen = [f for f in FAULTS if args.only in f"{f.kind} {f.subject} {f.file} {f.what}"]
        for number, fault in enumerate(chosen[:: args.every]):
            if fault.old not in (pristine / fault.file).read_text(encoding="utf-8"):
                print(f"{fault.file} does not hold {fault.old!r} any more", file=sys.stderr)
                continue
            (own := Path(folder) / str(number)).mkdir()
            began = time.process_time()
            first = caught(fault, pristine, own)
            took = round(time.process_time() - began, 2)
            say(first, kind=fault.kind, file=fault.file, what=fault.what, took=took)
            shutil.rmtree(own)


def say(first: First, **about: object) -> None:
    line = {**about, "caught": first.failed, "why": first.why, "ran": first.ran}
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
