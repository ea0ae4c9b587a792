"""The fuzzer: mutated files, settings and command lines, each run in this process under limits.

``python tests/fuzz/campaign.py --count 100 --seed 0`` prints what went wrong as JSON. Input number i of a seed is
always the same; ``--only i`` runs it alone and shows its output.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from small import registry

from difftool.cli import main
from difftool.config import gather, resolve
from difftool.workflows.text import flat
from fuzz import mutate
from fuzz.seeds import MODALITIES, Seeds, copied, made

CODES = {0, 1, 2, 3, 4, 5, 75, 130}
"""The documented exit codes."""

FAULTS = ("fault in difftool", "Traceback (most recent call last)")
"""What no input may bring about."""

BUSY, LONG = 20.0, 120.0
"""Limits of an input, in seconds of the processor and of the clock: what takes longer says so first."""

NEW = ("out", "runs")
"""What the names begin with that a command may create where it is run."""

MEMORY = 6 << 30
"""Bytes of address space that an input may take beyond those of the libraries."""


LATE = {signal.SIGPROF: "is busy too long", signal.SIGALRM: "hangs"}


class Hang(BaseException):
    """An input took too long."""


@dataclass
class Input:
    """A command line, and the folder in which its mutated files lie.

    Attributes:
        data: a folder of data, which the command must leave as it is.
        note: which file was changed.
    """

    args: list[str]
    folder: Path
    data: Path | None = None
    note: str = ""


@dataclass
class Outcome:
    code: int | None
    text: str
    reasons: list[str] = field(default_factory=list)


# --- kinds of inputs -------------------------------------------------------------------------------------------------


def model(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """A model file whose header or bytes were changed."""
    path, whole = folder / "m.safetensors", (seeds.run / "model.safetensors").read_bytes()
    path.write_bytes(
        mutate.header(whole, rng) if rng.random() < 0.85 else mutate.changed(whole, rng)
    )
    lines = [
        *[["sample", path, "-n", "1", "-o", "out"]] * 14,
        *[["export", path, "--to", "out.safetensors", "--format", "model"]] * 2,
        ["sample", seeds.run, "--expert", f"{path}@1", "-n", "1", "-o", "out"],
        [
            "train",
            seeds.data("image"),
            "-m",
            "image",
            "--size",
            "8",
            "--init",
            path,
            "--dry-run",
            *QUICK,
        ],
        [
            "evaluate",
            path,
            "-n",
            "2",
            "--data",
            "4",
            "--against",
            seeds.data("image"),
            "--metrics",
            "patches",
        ],
    ]
    return Input(_words(rng.choice(lines)), folder)


def run(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """A file of a run's folder was changed."""
    own = copied(seeds.run, folder / "run")
    path = rng.choice([file for file in _files(own) if file.suffix not in (".html", ".png")])
    _damage(path, rng)
    lines = [
        *[["resume", own, "--steps", "5"]] * 3,
        *[["runs", "show", own], ["runs", "show", own, "--json"], ["runs", "list", folder]] * 2,
        ["runs", "compare", own, seeds.run],
        *[["sample", own, "-n", "1", "-o", "out"]] * 2,
        ["sample", own, "-n", "1", "-o", "out", "--ema", "0.07"],
        ["export", own, "--to", "out.safetensors"],
    ]
    return Input(
        _words(rng.choice(lines)),
        folder,
        note=str(path.relative_to(folder)),
    )


def cascade(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """A file of a cascade's folder was changed."""
    own = copied(seeds.cascade, folder / "cascade")
    files = [file for file in _files(own) if file.suffix not in (".html", ".png")]
    path = own / "cascade.toml" if rng.random() < 0.5 else rng.choice(files)
    _damage(path, rng)
    lines = [
        *[["sample", own, "-n", "1", "-o", "out"]] * 4,
        ["runs", "show", own],
        ["runs", "list", folder],
        ["resume", own],
        ["config", "check", own / "cascade.toml"],
        ["cascade", "tune", own, "-n", "2", "--levels", "0,0.1", "--dry-run"],
    ]
    return Input(_words(rng.choice(lines)), folder, note=str(path.relative_to(folder)))


def settings(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """A configuration file, a setting or a flag that was changed."""
    modality = rng.choice(MODALITIES)
    tables = _tables(modality)
    if rng.random() < 0.4:
        path = folder / "c.toml"
        path.write_bytes(
            mutate.toml(
                resolve(modality, gather(registry(), modality, project=None), registry()).to_toml(),
                rng,
            )
        )
        return Input(_words(["config", "check", path, "-m", modality]), folder)
    keys = rng.sample(sorted(tables), k=rng.randint(1, 2))
    sets = [word for key in keys for word in ("--set", f"{key}={mutate.setting(rng)}")]
    sampling = [
        key
        for key in tables
        if key.partition(".")[0] in ("sampler", "schedule", "guidance", "sample")
    ]
    lines = [
        *[["config", "show", "-m", modality, *sets]] * 5,
        [
            "sample",
            seeds.run,
            "-n",
            "1",
            "-o",
            "out",
            "--set",
            f"{rng.choice(sampling)}={mutate.setting(rng)}",
        ],
        [
            "sample",
            seeds.run,
            "-n",
            "1",
            "-o",
            "out",
            rng.choice(["--cond", "--size", "--ema", "--seed", "--start", "--tile", "--level"]),
            mutate.setting(rng),
        ],
        ["train", seeds.data(modality), "-m", modality, "--dry-run", *QUICK, *sets],
    ]
    return Input(_words(rng.choice(lines)), folder, data=seeds.data(modality))


def large(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """One number of the settings is far larger or smaller than anybody would choose."""
    modality = rng.choice(MODALITIES)
    numbers = {key: value for key, value in _tables(modality).items() if _numeric(value)}
    key = rng.choice([*sorted(numbers), *(key for key in ASKED if key in numbers)])
    size = rng.choice(
        [
            10 ** rng.randrange(1, 19),
            2 ** rng.randrange(1, 62),
            10.0 ** -rng.randrange(1, 300),
            10.0 ** rng.randrange(1, 300),
        ]
    )
    if isinstance(numbers[key], list):
        value = f"[{','.join([str(size)] * len(numbers[key]))}]"
    else:
        value = str(size) if isinstance(numbers[key], float) else str(int(size) or 1)
    if rng.random() < 0.2:
        line = ["sample", seeds.run, "-n", "1", "-o", "out", "--set", f"{key}={value}"]
    else:
        config = folder / "small.toml"
        config.write_text(SMALL[modality])
        line = [
            "train",
            seeds.data(modality),
            "-m",
            modality,
            "--config",
            config,
            "--dry-run",
            "--set",
            f"{key}={value}",
        ]
    return Input(_words(line), folder, data=seeds.data(modality))


ASKED = ("train.batch", "train.accumulate", "modality.size", "modality.frames", "modality.seconds")
"""Settings that ask for more work, which are tried more often than others."""

FORETOLD = "One step takes about"
"""What says that the work takes long: it may then be as long as it was said to be."""


def _numeric(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(map(_numeric, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def data(seeds: Seeds, rng: Random, folder: Path) -> Input:
    """A file of data, or the table beside it, was changed."""
    modality = rng.choice(MODALITIES)
    own = copied(seeds.data(modality), folder / "data")
    files = [file for file in _files(own) if file.name != "metadata.csv"]
    table = own / "metadata.csv"
    if rng.random() < 0.3:
        text = table.read_text()
        if rng.random() < 0.5:
            table.unlink()
            table = own / "metadata.jsonl"
            names = [file.name for file in files]
            text = "\n".join(
                mutate.as_json(mutate.altered({"file_name": name, "kind": "a", "score": 1.5}, rng))
                for name in names
            )
        table.write_bytes(mutate.rows(text, rng))
    else:
        path = rng.choice(files)
        path.write_bytes(mutate.changed(path.read_bytes(), rng))
    check = ["data", "check", own, "-m", modality]
    train = ["train", own, "-m", modality, "--dry-run", *QUICK]
    return Input(_words(rng.choice([check] * 12 + [train])), folder, data=own)


SMALL = {
    modality: f"[backbone]\n{backbone}\n[train]\nbatch = 2\npreview = 0\ndevice = 'cpu'\n"
    for modality, backbone in {
        "image": "channels = 8\nblocks = 1",
        "audio": "channels = 8\nblocks = 1",
        "video": "channels = 8\nblocks = 1",
        "molecule": "layers = 1\nfeatures = 8",
    }.items()
}
"""Settings of a network that is small enough to try."""

KINDS: dict[str, Callable[[Seeds, Random, Path], Input]] = {
    "model": model, "run": run, "cascade": cascade, "settings": settings, "data": data, "large": large,
}  # fmt: skip

QUICK = ["--set", "train.batch=2", "--set", "train.device=cpu", "--set", "train.preview=0"]


def _words(line: list[Any]) -> list[str]:
    return [str(word) for word in line]


def _files(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")
    )


def _tables(modality: str) -> dict[str, Any]:
    config = resolve(modality, gather(registry(), modality, project=None), registry())
    return flat(config.to_dict())


def _damage(path: Path, rng: Random) -> None:
    whole = path.read_bytes()
    match path.suffix:
        case ".safetensors":
            path.write_bytes(
                mutate.header(whole, rng) if rng.random() < 0.8 else mutate.changed(whole, rng)
            )
        case ".toml":
            path.write_bytes(mutate.toml(whole.decode(), rng))
        case ".json" if rng.random() < 0.8:
            path.write_bytes(
                mutate.as_json(mutate.altered(json.loads(whole), rng)).encode(
                    "utf-8", "surrogatepass"
                )
            )
        case ".jsonl" if rng.random() < 0.8:
            rows = [json.loads(row) for row in whole.splitlines()]
            path.write_text("\n".join(map(mutate.as_json, mutate.altered(rows, rng))) + "\n")
        case _:
            path.write_bytes(mutate.changed(whole, rng))


# --- running ---------------------------------------------------------------------------------------------------------


def tried(given: Input) -> Outcome:
    """Run the command line of an input in its folder, and judge what came of it."""
    before = _state(given.data), set(os.listdir(given.folder))
    outcome = _ran(given)
    if FORETOLD in outcome.text:
        outcome.reasons = [reason for reason in outcome.reasons if reason not in LATE.values()]
        outcome.code = 0 if outcome.code is None and not outcome.reasons else outcome.code
    if outcome.code not in CODES and not outcome.reasons:
        outcome.reasons.append(f"exit code {outcome.code}")
    outcome.reasons += [f"says {fault!r}" for fault in FAULTS if fault in outcome.text]
    if outcome.code and not outcome.text.strip():
        outcome.reasons.append("fails without a word")
    new = set(os.listdir(given.folder)) - before[1]
    strays = {name for name in new if not name.startswith(NEW)}
    strays |= {str(path.relative_to(given.folder)) for path in given.folder.rglob(".*.partial")}
    if strays:
        outcome.reasons.append(f"leaves {sorted(strays)}")
    if _state(given.data) != before[0]:
        outcome.reasons.append("changes the data")
    return outcome


def _ran(given: Input) -> Outcome:
    out, here, late = io.StringIO(), os.getcwd(), []

    def stop(number: int, frame: Any) -> None:
        late.append(LATE[number])
        raise Hang

    signal.signal(signal.SIGPROF, stop)
    signal.signal(signal.SIGALRM, stop)
    os.chdir(given.folder)
    code: Any = None
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(out),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            signal.setitimer(signal.ITIMER_PROF, BUSY)
            signal.setitimer(signal.ITIMER_REAL, LONG)
            try:
                main(given.args)
            except SystemExit as leaving:
                code = leaving.code
            except Hang:
                pass
            except BaseException as error:
                late.append(f"raises {type(error).__name__}: {error}")
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        os.chdir(here)
    return Outcome(code, out.getvalue(), late)


def _state(folder: Path | None) -> list[tuple[str, int, int]]:
    paths = sorted(folder.rglob("*")) if folder else []
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def number(seeds: Seeds, seed: int, i: int, kinds: list[str]) -> tuple[str, Input]:
    """Input number ``i`` of a seed."""
    rng, kind = Random(f"{seed}/{i}"), kinds[i % len(kinds)]
    folder = Path(mkdtemp(prefix=f"{kind}-", dir=seeds.root / "work"))
    return kind, KINDS[kind](seeds, rng, folder)


def campaign(
    seeds: Seeds, seed: int, numbers: range, kinds: list[str], seconds: float, show: bool
) -> dict[str, Any]:
    """Try inputs, and return how many of each kind left with which code, and the failures."""
    codes: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    failures, begun = list[dict[str, Any]](), time.monotonic()
    original = _state(seeds.data("image")), _state(seeds.run), _state(seeds.cascade)
    for i in numbers:
        if seconds and time.monotonic() - begun > seconds:
            break
        kind, given = number(seeds, seed, i, kinds)
        outcome = tried(given)
        codes[kind][str(outcome.code)] += 1
        if i % 100 == 99:
            print(f"input {i}: {len(failures)} failures", file=sys.stderr)
        if show:
            print(given.args, given.note, outcome, sep="\n")
        if outcome.reasons:
            failures.append(
                {
                    "number": i,
                    "kind": kind,
                    "args": given.args,
                    "note": given.note,
                    "reasons": outcome.reasons,
                    "said": outcome.text[-600:],
                }
            )
        shutil.rmtree(given.folder, ignore_errors=True)
    if original != (_state(seeds.data("image")), _state(seeds.run), _state(seeds.cascade)):
        failures.append({"number": -1, "reasons": ["the seeds were changed"]})
    count = sum(sum(found.values()) for found in codes.values())
    return {
        "inputs": count,
        "seconds": round(time.monotonic() - begun, 1),
        "codes": codes,
        "failures": failures,
    }


@contextlib.contextmanager
def seeds_in(folder: str) -> Iterator[Seeds]:
    """The seeds in a folder, made there if it is empty; a temporary one for ""."""
    root = Path(folder or mkdtemp(prefix="difftool-fuzz-")).resolve()
    os.environ["DIFFTOOL_CACHE"] = str(root / "cache")
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            seeds = Seeds(root) if (root / "cascade").is_dir() else made(root)
        (root / "work").mkdir(exist_ok=True)
        yield seeds
    finally:
        if not folder:
            shutil.rmtree(root, ignore_errors=True)


def limit_memory() -> None:
    """Bound the address space, so that an input that asks for terabytes fails here and nowhere else."""
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, resource.RLIM_INFINITY))


def command_line() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=0, help="stop after this long; 0 for no limit"
    )
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--only", type=int)
    parser.add_argument("--seeds", default="", help="folder in which the seeds are kept")
    args = parser.parse_args()
    numbers = (
        range(args.first, args.first + args.count)
        if args.only is None
        else range(args.only, args.only + 1)
    )
    with seeds_in(args.seeds) as seeds:
        if sys.platform == "linux":
            limit_memory()
        found = campaign(
            seeds, args.seed, numbers, args.kinds.split(","), args.seconds, args.only is not None
        )
    print(json.dumps(found, indent=1))
    sys.exit(bool(found["failures"]))


if __name__ == "__main__":
    command_line()
