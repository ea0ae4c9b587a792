"""The folder of a new run, and the data that a line names."""

from __future__ import annotations

from pathlib import Path

from ..config import Config
from ..engine.folder import new_run_path
from ..errors import RunExistsError
from ..names import local_path
from .text import command


def refuse_used(run: Path | None) -> None:
    """Raise RunExistsError where the folder of a new run is not empty."""
    if run is not None and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise RunExistsError(
            (
                f"{run} already exists and is not empty; nothing in it was changed. Choose another "
                "--run"
            )
            + (
                f", or go on with that run: {command('resume', run)}"
                if (run / "config.toml").is_file()
                else "."
            )
        )


def data_path(text: str) -> Path:
    """DATA as an absolute path. Links keep their names, except where ``..`` makes them matter."""
    path = local_path(text).absolute()
    return path.resolve() if ".." in path.parts else path


def new_path(config: Config) -> Path:
    return new_run_path(data_name(config.data.path, config.modality.use))


def data_name(data: str | None, modality: str) -> str:
    """A name for the run or cascade that is trained on some data."""
    if not data:
        return f"{modality}-demo"
    path = data_path(data)
    return (path.stem if path.is_file() else path.name) or modality
