"""Training from Python: to the end at once, or step by step in a loop."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.folder import RunFolder, find_run
from .announce import announce_project
from .build import config_of
from .keywords import installed
from .naming import new_path, refuse_used
from .reporter import SILENT, Reporter
from .resume import resumed_run
from .train import finished, new_run
from .trained import Model, load

if TYPE_CHECKING:
    from ..observer import Progress

Steps = Generator["Progress", None, dict[str, Any]]


class Run:
    """A training run's folder.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"<run {self.path}, step {self.step}>"

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def step(self) -> int:
        """The step that is saved; 0 where none is."""
        checkpoint = RunFolder(self.path).latest_checkpoint()
        return int(checkpoint.stem) if checkpoint else 0

    @property
    def model(self) -> Model:
        """The trained model. Raises UsageError where nothing is saved yet."""
        return load(self)

    def metrics(self) -> list[dict[str, Any]]:
        """The logged rows, oldest first: each with ``step``, ``loss``, ``lr`` and
        ``examples_per_second``.
        """
        return RunFolder(self.path).metrics()


class Training:
    """A run that is trained by iterating over it.

    Each iteration yields the record of a finished step: ``step``, ``steps``, ``loss`` (None where
    it was not read), ``lr`` and more. Leaving the loop stops the run: one more step is trained,
    everything is saved, and ``difftool.resume`` continues from there, bit for bit.

    Attributes:
        run: the run; its folder exists after the first step.
    """

    def __init__(self, path: Path, begin: Callable[[], Steps]) -> None:
        self.run = Run(path)
        self._begin = begin

    def __iter__(self) -> Iterator[Progress]:
        return self._begin()

    def finish(self) -> Run:
        """Train to the end."""
        finished(self._begin())
        return self.run


def training(
    modality: str | None = None,
    data: str | Path | None = None,
    *,
    run: str | Path | None = None,
    recipe: str | None = None,
    config: str | Path | Sequence[str | Path] = (),
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Training:
    """A new run, to train in a loop or with ``finish()``.

        for record in difftool.training("image", "photos", steps=2000):
            print(record.step, record.loss)

    Args:
        modality: the kind of data, such as ``"image"``; also with its representation,
            ``"audio/spectrogram"``.
        data: a folder or a file; the modality's built-in demo set unless given.
        run: the run's folder; a new one in ``runs/`` unless given.
        recipe: a named configuration to start from; its full name, ``MODALITY/NAME``, also
            selects the modality.
        config: TOML files; later ones win.
        reporter: gets all messages; ``difftool.Terminal()`` prints them and shows progress.
        settings: ``steps=2000``, ``batch=8``, ``lr=1e-4``, ``backbone="unet"``, the modality's own
            such as ``size=64``; tables as dicts, ``optimizer={"lr": 1e-4}``; or any key by its full
            name, ``**{"train.batch": 8}``: what ``--set`` takes.

    Raises:
        ConfigError: settings, all faults at once.
        RunExistsError: the run's folder is not empty; nothing in it is changed.
        DataError: when the first step is asked for: there is nothing usable in the data.
    """
    announce_project(reporter)
    fitting = settings.get("batch") == "auto"
    settings = {key: value for key, value in settings.items() if not (fitting and key == "batch")}
    resolved = config_of(modality, data, recipe, config, settings)
    refuse_used(Path(run) if run is not None else None)
    path = Path(run) if run is not None else new_path(resolved)
    return Training(path, lambda: new_run(resolved, installed(), path, reporter, fitting))


def train(modality: str | None = None, data: str | Path | None = None, **options: Any) -> Run:
    """Train a new run to its end. Takes the arguments of ``training``.

    run = difftool.train("image", "photos", steps=2000)
    samples = run.model.sample(8)
    """
    return training(modality, data, **options).finish()


def resume(
    run: str | os.PathLike[str] = "latest",
    *,
    steps: int | None = None,
    device: str | None = None,
    data: str | Path | None = None,
    reporter: Reporter = SILENT,
) -> Training:
    """A stopped run, to continue exactly, in a loop or with ``finish()``.

    Args:
        run: the run, its folder or its name in ``runs/``.
        steps: another last step than the run's own.
        device: another device than the run's own.
        data: where the data is now, if it has moved.
        reporter: gets all messages.
    """
    folder = RunFolder.open(find_run(os.fspath(run)))
    moved = Path(data) if data is not None else None
    return Training(
        folder.path, lambda: resumed_run(folder, installed(), reporter, steps, device, moved)
    )
