"""Model files, by their headers: read without torch, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..config import NONE, Config, check_facts, config_from_dict
from ..description import Description, described, extended
from ..engine.folder import RunFolder, find_run
from ..errors import ModelFileError, UsageError
from ..header import ADAPTER, MODEL, read_about
from ..names import local_path
from ..plugin.registry import Registry
from .text import command
from .tuned import TUNED


@dataclass(frozen=True)
class ModelFile:
    """A trained model as the header of its file describes it; no weights are read.

    Attributes:
        tables: the configuration, as it is written.
        description: what the data turned out to be that it was trained on.
        tuned: number of steps -> the settings that were found for it.
    """

    path: Path
    tables: dict[str, Any]
    description: Description
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, adapters: Sequence[tuple[Path, float]] = ()) -> ModelFile:
        """The model in a file, with the labels and words that adapters add.

        Raises ModelFileError where one is damaged, foreign, or newer than this program.
        """
        about = read_about(path, MODEL)
        description = described(path, about["description"])
        for file, _ in adapters:
            other = read_about(file, ADAPTER)["description"]
            description = extended(description, described(file, other))
        return cls(path, about["config"], description, about.get(TUNED, {}))

    @property
    def name(self) -> str:
        """What to call it in messages: its run."""
        return str(self.path.parent if self.path.name == "model.safetensors" else self.path)

    @property
    def modality(self) -> str:
        return modality_of(self.tables)

    def config(self, parts: Registry) -> Config:
        """Its configuration, as it was trained. Raises ConfigError, ModelFileError."""
        config = config_from_dict(self.tables, str(self.path), parts)
        check_facts(self.path, config.modality.use, self.description, parts)
        return config


def modality_of(config: Mapping[str, Any]) -> str:
    """The modality's name in a model's plain configuration."""
    found = config.get("modality")
    return str(found.get("use", "") if isinstance(found, Mapping) else found or "").partition("/")[
        0
    ]


def model_path(text: str) -> Path:
    """The model file that a word of the command line means. Raises UsageError."""
    path = local_path(text)
    if path.is_file():
        return path
    folder = RunFolder.open(find_run(str(path)))
    if not folder.model_path.is_file():
        raise UsageError(
            f"{folder.path} has no model yet, because it has not reached its first checkpoint. "
            f"Resume it with: {command('resume', folder.path)}"
        )
    return folder.model_path


def plain_config(path: Path) -> dict[str, Any]:
    """The configuration in a model file's header, read without torch; empty when the file is not
    one of ours.
    """
    try:
        return ModelFile.read(path).tables
    except (ModelFileError, OSError):
        return {}


def refines(path: Path) -> bool:
    """Whether a model is a later stage of a cascade, which cannot sample without an input."""
    return plain_config(path).get("bridge", {}).get("use", NONE) != NONE


def known_levels(path: Path) -> tuple[float, float]:
    """The ends of the range that a model was trained on, 0 for one that is open."""
    density = plain_config(path).get("density", {})
    low, high = (density.get(end) for end in ("low", "high"))
    return _number(low), _number(high)


def sampling_command(run: str, path: Path) -> str:
    """The command that samples from a run; what only the user knows is in capital letters.

    Args:
        path: the run's model file.
    """
    low, high = known_levels(path)
    words = ["--from", "FILES"] if refines(path) else []
    words = [run, "--expert", f"RUN2@{low:g}", *words] if low else [run, *words]
    if high:
        words = ["RUN", "--expert", f"{run}@{high:g}", *words[1:]]
    return command("sample", *words)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
