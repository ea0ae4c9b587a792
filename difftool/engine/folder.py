"""The folder of a training run, and how runs are found."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..description import Description
from ..errors import ModelFileError, RunBusyError, RunExistsError, UsageError
from ..files import alone, contents, found, unused, write_text
from ..header import CHECKPOINT, read_about
from ..plain import escaped, parse_json
from ..shell import command

if TYPE_CHECKING:
    from ..about import Environment

RUNS = Path("runs")
CONFIG = "config.toml"
CASCADE = "cascade.toml"
LOCK = ".lock"
SNAPSHOTS = "snapshots"
ADAPTER_FILE = "adapter.safetensors"
"""What fine-tuning adds to the model that it started from."""

NEAREST = "nearest"
"""Name, without its suffix, of the sheet of samples beside their neighbours in the data."""


class RunFolder:
    """A run's files: ``config.toml``, ``description.json``, ``environment.json``,
    ``metrics.jsonl``, ``log.txt``, ``checkpoints/``, ``samples/``, ``model.safetensors``,
    ``report.html`` and, of ``difftool evaluate``, ``evaluation.json``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = False

    @property
    def config_path(self) -> Path:
        return self.path / CONFIG

    @property
    def model_path(self) -> Path:
        return self.path / "model.safetensors"

    @property
    def log_path(self) -> Path:
        return self.path / "log.txt"

    @property
    def samples_path(self) -> Path:
        return self.path / "samples"

    @property
    def report_path(self) -> Path:
        return self.path / "report.html"

    @property
    def best_path(self) -> Path:
        """The model with the lowest loss on held-out examples (``train.best``)."""
        return self.path / "best.safetensors"

    @property
    def evaluated_path(self) -> Path:
        """Some of the samples that ``difftool evaluate`` measured last."""
        return self.samples_path / "evaluated"

    @property
    def levels_path(self) -> Path:
        """Losses by noise level, a row for each measurement."""
        return self.path / "levels.jsonl"

    @property
    def ledger_path(self) -> Path:
        """The files of the data, with their hashes and rights."""
        return self.path / "data.csv"

    @property
    def evaluation_path(self) -> Path:
        """The last result of ``difftool evaluate``."""
        return self.path / "evaluation.json"

    @classmethod
    def create(
        cls,
        path: Path,
        config_toml: str,
        description: Description,
        source: str,
        *,
        parts: Mapping[str, str] | None = None,
        or_next: bool = False,
    ) -> RunFolder:
        """A new run's folder, whole or not at all.

        Args:
            parts: the package and version that each part came from.
            or_next: where the name is taken, take the next one that is free: nobody asked for this
                very name.

        Raises:
            RunExistsError: there is something in it.
        """

        def fill(partial: Path) -> None:
            write_text(partial / "description.json", json.dumps(description.to_json(), indent=1))
            about = {**environment(source), "parts": dict(parts or {})}
            write_text(partial / "environment.json", json.dumps(about, indent=1))
            write_text(partial / CONFIG, config_toml)

        _remove_remainder(path)
        try:
            return cls(found(path, fill, or_next=or_next))
        except FileExistsError:
            raise RunExistsError(_exists(path)) from None

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """The folder of a run that exists. Raises UsageError."""
        if is_cascade(path):
            raise UsageError(
                f"{path} is a cascade of several runs. Name one of them: "
                f"{', '.join(map(str, stage_runs(path))) or 'none has begun'}."
            )
        if not (path / CONFIG).is_file():
            raise UsageError(
                f"{path} is not a run: it has no {CONFIG}. difftool runs list shows the runs "
                "there are."
            )
        return cls(path)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block no other process trains this run.

        Blocks may lie in one another. Raises RunBusyError.
        """
        if self._held:
            yield
            return
        self._refuse_links()
        with alone(self.path / LOCK) as free:
            if not free:
                raise RunBusyError(
                    f"{self.path} is being trained by another process, and two would damage each "
                    "other's files. Wait for it, or stop it (Ctrl-C or SIGTERM: it saves first), "
                    "then resume."
                )
            self._held = True
            try:
                yield
            finally:
                self._held = False

    def _refuse_links(self) -> None:
        """Training appends to files and removes old ones: all of that stays in the run's own
        folder.
        """
        for name in (
            LOCK,
            "log.txt",
            "metrics.jsonl",
            "levels.jsonl",
            "checkpoints",
            SNAPSHOTS,
            "samples",
        ):
            if (self.path / name).is_symlink():
                raise UsageError(
                    f"{self.path / name} is a link. Training would change or remove files where "
                    "it leads; put what it leads to in its place. The whole folder of a run may "
                    "be a link."
                )

    def description(self) -> Description:
        """The description of the run's data. Raises ModelFileError if it is not readable."""
        path = self.path / "description.json"
        try:
            return Description.from_json(parse_json(contents(path)))
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"{path} cannot be used: {error}. The same description is in the run's "
                "model.safetensors and in its checkpoints; take the file from a copy of the run, "
                "or train anew."
            ) from None

    def environment(self) -> Environment:
        """Where the run was begun; empty where the file is missing or damaged: no step depends on
        it.
        """
        from ..about import Environment, adapter_of, checked  # pydantic

        try:
            found = parse_json(contents(self.path / "environment.json"))
            return checked(adapter_of(Environment), found, "")
        except (OSError, ValueError):
            return Environment()

    def latest_checkpoint(self) -> Path | None:
        """The newest checkpoint that is whole; the newest of all where none is."""
        found = checkpoints(self.path / "checkpoints")
        return next(filter(_is_whole, reversed(found)), found[-1] if found else None)

    def damaged_checkpoints(self) -> list[Path]:
        """Checkpoints that are newer than the one that a resume starts from."""
        latest = self.latest_checkpoint()
        found = checkpoints(self.path / "checkpoints")
        return [path for path in found if latest is not None and path.name > latest.name]

    def snapshots(self) -> list[Path]:
        return checkpoints(self.path / SNAPSHOTS)

    def add_metrics(self, row: Mapping[str, Any]) -> None:
        """Append one line of metrics."""
        _append(self.path / "metrics.jsonl", json.dumps(row))

    def metrics(self) -> list[dict[str, Any]]:
        """Every valid line of metrics; what a kill cut short or another program wrote is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [row for line in lines if (row := _row(line)) is not None]

    def resume_metrics(self, step: int, row: Mapping[str, Any] | None, *, scheduled: bool) -> None:
        """Make the metrics those of a run that was never stopped, as far as ``step``, from which
        the run goes on.

        What was measured after it is measured again.

        Args:
            row: the one of ``step``, as the checkpoint keeps it; a kill may have kept it from being
                written.
            scheduled: whether a run that is not stopped there writes a row.
        """
        rows = [
            one
            for one in self.metrics()
            if one["step"] < step or (one["step"] == step and scheduled)
        ]
        if row is not None and scheduled and not any(one["step"] == step for one in rows):
            rows.append(dict(row))
        write_text(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def add_levels(self, row: Mapping[str, Any]) -> None:
        """Append one row of losses by noise level."""
        _append(self.levels_path, json.dumps(row))

    def levels(self) -> list[dict[str, Any]]:
        """Every valid row of losses by noise level, oldest first."""
        lines = self.levels_path.read_bytes().splitlines() if self.levels_path.exists() else []
        return [row for line in lines if (row := _levels_row(line)) is not None]

    def resume_levels(self, step: int) -> None:
        """Remove the rows after the step from which the run goes on: they are measured again."""
        if not self.levels_path.exists():
            return
        rows = [row for row in self.levels() if row["step"] <= step]
        write_text(self.levels_path, "".join(json.dumps(row) + "\n" for row in rows))

    def sweep(self) -> None:
        """Remove half-written files of a kill. Files of a sampling in progress stay."""
        own = (
            ".*.partial",
            "checkpoints/.*.partial",
            "snapshots/.*.partial",
            "samples/.preview-*.partial",
        )
        for path in [path for pattern in own for path in self.path.glob(pattern)]:
            path.unlink(missing_ok=True)

    def log(self, text: str) -> None:
        """Append to the run's log, with the time."""
        lines = "\n".join(escaped(line) for line in text.rstrip().split("\n"))
        _append(self.log_path, f"{time.strftime('%Y-%m-%d %H:%M:%S')} {lines}")


REMAINDER = {LOCK, "description.json", "environment.json"}
"""What version 0.1 could leave of a run that was killed before its configuration existed."""


def _remove_remainder(path: Path) -> None:
    """Remove a folder that holds only the start of a run, unless a process works on it."""
    names = (
        {entry.name for entry in path.iterdir()}
        if path.is_dir() and not path.is_symlink()
        else set()
    )
    if (
        not names
        or any(name not in REMAINDER and not name.endswith(".partial") for name in names)
        or LOCK not in names
    ):
        return
    with alone(path / LOCK) as free:
        if free:
            shutil.rmtree(path, ignore_errors=True)


def _exists(path: Path) -> str:
    return (
        f"{path} already exists and is not empty; nothing in it was changed. Choose another "
        f"--run, or continue that run with: {command('resume', path)}"
    )


def _append(path: Path, line: str) -> None:
    """Append a line to a file of the run, but never through a link."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise UsageError(
            f"{path} is a link, and nothing is written where it leads. Remove it, or put the file "
            "in its place."
        ) from None
    with open(descriptor, "a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(line + "\n")


def _row(line: bytes) -> dict[str, Any] | None:
    """A line of metrics; None if it is not valid."""
    from ..about import MetricsRow, adapter_of, checked  # pydantic

    try:
        checked(adapter_of(MetricsRow), row := parse_json(line), "")
    except ValueError:
        return None
    return dict(row)


def _levels_row(line: bytes) -> dict[str, Any] | None:
    """A row of losses by noise level; None if it is not valid."""
    from ..about import LevelsRow, adapter_of, checked  # pydantic

    try:
        checked(adapter_of(LevelsRow), row := parse_json(line), "")
    except ValueError:
        return None
    return dict(row)


def _is_whole(path: Path) -> bool:
    try:
        read_about(path, CHECKPOINT)
    except (ModelFileError, OSError):
        return False
    return True


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(
        (p for p in folder.glob("*.safetensors") if p.stem.isdigit()), key=lambda p: int(p.stem)
    )


def environment(source: str) -> dict[str, Any]:
    """The machine, versions and command of a run, so that it can be repeated."""
    import torch

    return {
        "difftool": __version__,
        "command": sys.argv,
        "folder": os.getcwd(),
        "data": source,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def new_run_path(name: str, root: Path = RUNS) -> Path:
    """``runs/NAME``, or ``runs/NAME-2`` … when that is taken."""
    return unused(root / name)


def is_run(path: Path) -> bool:
    """Whether a folder is that of a run."""
    return (path / CONFIG).is_file()


def is_cascade(path: Path) -> bool:
    """Whether a folder is a cascade's: it holds one run for each stage."""
    return (path / CASCADE).is_file()


def stage_runs(cascade: Path) -> list[Path]:
    """The stages of a cascade that have begun, by name; not what a kill left half made."""
    return sorted(path.parent for path in cascade.glob(f"[!.]*/{CONFIG}"))


def list_runs(root: Path = RUNS) -> list[Path]:
    """The runs and cascades below a folder, the latest first."""
    runs = [path.parent for name in (CONFIG, CASCADE) for path in root.glob(f"[!.]*/{name}")]
    return sorted(runs, key=lambda run: (_last_worked_on(run), run.name), reverse=True)


def _last_worked_on(run: Path) -> float:
    own = [
        path.stat().st_mtime
        for path in (run, run / CONFIG, run / CASCADE, run / "log.txt", run / "metrics.jsonl")
        if path.exists()
    ]
    return max([*own, *map(_last_worked_on, stage_runs(run) if is_cascade(run) else ())])


def find_run(text: str, root: Path = RUNS) -> Path:
    """A run or cascade by path, by name below ``runs/``, or ``latest``. Raises UsageError."""
    if text == "latest":
        if not (runs := list_runs(root)):
            raise UsageError(
                f"There is no run in {root.resolve()} yet. Train one with: difftool train -m "
                "MODALITY FOLDER"
            )
        return runs[0]
    for path in (Path(text), root / text):
        if (path / CONFIG).is_file() or is_cascade(path):
            return path
    names = ", ".join(run.name for run in list_runs(root)[:10])
    raise UsageError(
        f"There is no run {text!r}, neither as a path nor in {root.resolve()}."
        + (f" There: {names}." if names else "")
    )
