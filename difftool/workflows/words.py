"""What the words of a command line mean: models, conditions and experts."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..conditioners.text_column import TextColumn
from ..config import file_layer
from ..engine.folder import ADAPTER_FILE, CASCADE, find_run, is_cascade
from ..errors import DataError, DifftoolError, UsageError
from ..files import contents
from ..names import local_path
from .keywords import Given
from .model import ModelFile, modality_of, model_path, plain_config

TEXTS = ("text", "encoder")
"""The conditioners of texts, whose conditions ``--prompt`` sets."""

FLAGS = {"--prompt": "--cond", "--negative": "--negative"}
"""The flag of a text -> the one that names the condition too."""


def peeked_modality(args: list[str]) -> str:
    """The modality of the first word that is a model or a run; else of the latest run.

    A word may also be a flag's value, and any file.
    """
    words = [arg for arg in args if not arg.startswith("-")]
    for word in [*words, "latest"]:
        try:
            if found := modality_of(_peeked_config(word)):
                return found
        except DifftoolError:
            continue
    return ""


def _peeked_config(word: str) -> dict[str, Any]:
    """The configuration of a model or run, or of a cascade's first stage, as it is written."""
    if Path(word).is_file() or not is_cascade(folder := find_run(word)):
        return plain_config(model_path(word))
    # The file is read again, and its faults reported, when it is sampled from.
    stages = file_layer(folder / CASCADE).data.get("stage")
    first = stages[0] if isinstance(stages, list) and stages else {}
    if not isinstance(first, dict):
        return {}
    return plain_config(Path(str(first["run"]))) if "run" in first else first


def parse_conditions(items: tuple[str, ...]) -> dict[str, list[str]]:
    """``class=A,B`` -> {"class": ["A", "B"]}; a value that holds a comma stands in double quotes,
    as in a CSV file.
    """
    found: dict[str, list[str]] = {}
    for item in items:
        name, equals, values = item.partition("=")
        if not equals or not name.strip() or not values.strip():
            raise UsageError(f"--cond {item} does not have the form NAME=VALUE, such as class=none")
        if name in found:
            raise UsageError(
                f"--cond {name} is given twice. Several values go in one: --cond {name}=A,B"
            )
        found[name.strip()] = [
            value.strip() for value in next(csv.reader([values], skipinitialspace=True), [""])
        ]
    return found


def parse_prompts(
    words: Sequence[str], prompts: Sequence[str], file: Path | None
) -> dict[str, list[str]]:
    """Prompts as values of the model's condition on a text; of all of them where they were trained
    on the same texts, as those of two encoders are.

    Args:
        words: the models; the first is looked at.
        file: a text file with one prompt in each line.

    Raises:
        UsageError: the model has no such condition, or several on different texts.
        DataError: the file cannot be read, or holds nothing.
    """
    texts = [*prompts, *(_lines(file) if file else ())]
    return dict.fromkeys(_text_conditions(words, "--prompt"), texts) if texts else {}


def parse_negative(words: Sequence[str], items: Sequence[str]) -> dict[str, list[str]]:
    """``--negative`` values: ``NAME=VALUE`` of a condition of the model, or a text for the one on
    texts.

    Raises UsageError as ``parse_prompts``.
    """
    found = dict[str, list[str]]()
    for item in items:
        name, equals, text = item.partition("=")
        names = [name.strip()]
        if not (equals and name.strip() in _conditions(words)):
            names, text = _text_conditions(words, "--negative"), item
        for one in names:
            found.setdefault(one, []).append(text.strip())
    return found


def parse_guidance(flags: Given) -> Given:
    """The flags of a line, in which ``--guidance caption=5,style=2`` sets the scales of single
    conditions.

    Raises UsageError.
    """
    found: Given = []
    for flag, dotted, value in flags:
        if dotted == "guidance.scale" and "=" in str(value):
            found.append((flag, "guidance.scales", _scales(str(value))))
        else:
            found.append((flag, dotted, value))
    return found


def _scales(text: str) -> dict[str, float]:
    scales = dict[str, float]()
    for item in text.split(","):
        name, _, number = item.partition("=")
        try:
            scales[name.strip()] = float(number)
        except ValueError:
            raise UsageError(
                f"--guidance {text} does not have the form NAME=X,NAME=X, such as "
                "caption=5,style=2. One number is the scale of all conditions."
            ) from None
    return scales


def _conditions(words: Sequence[str]) -> Mapping[str, Any]:
    """The conditions of the first model, as its configuration names them.

    Raises as ``_peeked_config``, and ModelFileError for a file that is no model.
    """
    first, *_ = words or ["latest"]
    config = _peeked_config(first)
    if not config and Path(first).is_file():
        config = ModelFile.read(Path(first)).tables  # says what the file is
    conditions: Mapping[str, Any] = config.get("conditions", {})
    return conditions


def _text_conditions(words: Sequence[str], flag: str) -> list[str]:
    """The conditions that a text on the command line sets. Raises UsageError."""
    columns = _conditions(words)
    names = [name for name, table in columns.items() if table.get("use") in TEXTS]
    if names and (len(names) == 1 or _same_texts(words, names)):
        return names
    reason = (
        f"has several: {', '.join(names)}. Name each: "
        + " ".join(f"{FLAGS[flag]} {name}=TEXT" for name in names)
        if names
        else "has none. Train it on captions: --set conditions.caption.use=text"
    )
    raise UsageError(f"{flag} is a text for the model's condition on texts, and it {reason}")


def _same_texts(words: Sequence[str], names: Sequence[str]) -> bool:
    """Whether the data of the first model had the same texts, equally often, in these columns."""
    first, *_ = words or ["latest"]
    if not Path(first).is_file() and is_cascade(find_run(first)):
        return False  # the columns of a stage may differ from those of the next
    columns = ModelFile.read(model_path(first)).description.conditions
    known = [columns[name] for name in names if name in columns]
    kept = {(column.texts, column.counts) for column in known if isinstance(column, TextColumn)}
    return len(known) == len(names) and len(kept) == 1


def _lines(file: Path) -> list[str]:
    try:
        lines = [line.strip() for line in contents(file).decode("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}. Write it as UTF-8 text.") from None
    if not any(lines):
        raise DataError(f"{file} holds no prompt. Write one in each line.")
    return [line for line in lines if line]


def _weighted(word: str) -> tuple[Path, float]:
    """``FILE[:WEIGHT]``: a path, which may hold a colon itself, and 1 where no number follows."""
    name, colon, text = word.rpartition(":")
    try:
        return (local_path(name), float(text)) if colon else (local_path(word), 1.0)
    except ValueError:
        return local_path(word), 1.0


def parse_adapters(words: Sequence[str]) -> tuple[tuple[Path, float], ...]:
    """``FILE|RUN[:WEIGHT]`` words -> adapter files and their weights. Raises UsageError."""
    found = list[tuple[Path, float]]()
    for word in words:
        path, weight = _weighted(word)
        path = path / ADAPTER_FILE if path.is_dir() else path
        if not path.is_file() or not math.isfinite(weight):
            raise UsageError(
                f"--adapter {word} names no adapter file. Write FILE or FILE:WEIGHT, or a run of "
                "difftool finetune, such as runs/letters-finetuned:0.8."
            )
        found.append((path, weight))
    return tuple(found)


def parse_branches(words: Sequence[str]) -> tuple[tuple[Path, Path, float], ...]:
    """``RUN=FILE[:WEIGHT]`` words -> model files, files and weights. Raises UsageError."""
    found = list[tuple[Path, Path, float]]()
    for word in words:
        run, equals, rest = word.partition("=")
        path, weight = _weighted(rest)
        if not equals or not run or not path.exists() or not math.isfinite(weight):
            raise UsageError(
                f"--branch {word} does not have the form RUN=FILE or RUN=FILE:WEIGHT, such as "
                "runs/edges=sketch.png:0.5, or there is no such file."
            )
        found.append((model_path(run), path, weight))
    return tuple(found)


def parse_experts(words: Sequence[str]) -> tuple[tuple[float, Path], ...]:
    """``RUN@LEVEL`` words -> the level below which each takes over, and its model file.

    Raises UsageError.
    """
    found = dict[float, Path]()
    for word in words:
        run, at, text = word.rpartition("@")
        try:
            level = float(text)
        except ValueError:
            level = math.nan
        if not at or not run or not 0 < level < math.inf:
            raise UsageError(
                f"--expert {word} does not have the form RUN@LEVEL, such as runs/fine@0.5; the "
                "run takes over below that noise level."
            )
        if level in found:
            raise UsageError(
                f"--expert {word}: another expert takes over below {level:g} as well, so one of "
                "them would never be used."
            )
        found[level] = model_path(run)
    return tuple(found.items())
