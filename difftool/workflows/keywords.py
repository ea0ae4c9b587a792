"""Settings as keyword arguments of Python: short names as the flags of the command line have, whole
tables, or dotted keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.config import PARTS
from ..errors import UsageError
from ..plugin.registry import Registry
from ..settings import SampleOptions, TrainOptions
from .request import EDIT, REQUEST, SELECTION, request_model, selection_model
from .text import flat

if TYPE_CHECKING:
    from ..options import Options

Given = list[tuple[str, str, Any]]
"""For each setting its name in messages, its ``table.key`` and its value."""

Values = str | float | None | Sequence[str | float | None]
"""One value of a condition, or several that samples take in turn; None withholds it."""


@cache
def installed() -> Registry:
    """The parts that are installed, found once."""
    return Registry.load_all()


def given(settings: Mapping[str, Any], names: Mapping[str, str]) -> Given:
    """The settings by their ``table.key``; what is None is not given.

    Args:
        settings: ``steps=100``, ``train={"batch": 8}`` or ``**{"train.batch": 8}``.
        names: the short names, with the ``table.key`` of each.

    Raises:
        UsageError: a name that is none of these.
    """
    found: Given = []
    for name, value in settings.items():
        if isinstance(value, Mapping):
            found += [(key, key, plain(one)) for key, one in flat({name: dict(value)}).items()]
        elif value is not None:
            found.append((name, name if "." in name else _known(name, names), plain(value)))
    return found


def _known(name: str, names: Mapping[str, str]) -> str:
    if name in names:
        return names[name]
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UsageError(
        f"There is no setting {name!r}.{hint} A table is given as a dict, such as "
        "train={'batch': 8}, and any key by its full name: **{'train.batch': 8}."
    )


def plain(value: Any) -> Any:
    """A value as TOML has it."""
    return (
        str(value)
        if isinstance(value, Path)
        else list(value)
        if isinstance(value, tuple)
        else value
    )


def texts(cond: Mapping[str, Values] | None) -> dict[str, list[str]]:
    """The values of conditions as a user of the command line writes them."""
    several = {
        name: [values] if isinstance(values, str | float | int | None) else list(values)
        for name, values in (cond or {}).items()
    }
    return {
        name: ["none" if value is None else str(value) for value in values]
        for name, values in several.items()
    }


def training_names(modality: str | None) -> dict[str, str]:
    """The short names of the settings of training: those of ``difftool train``."""
    names = {name: f"train.{name}" for name in TrainOptions.model_fields}
    names |= {"lr": "optimizer.lr", **{table: f"{table}.use" for table in PARTS}}
    return {**names, **_own_names(modality, names)}


def _own_names(modality: str | None, taken: Mapping[str, str]) -> dict[str, str]:
    """The names of the modality's own settings and of its representation's.

    A taken one stands behind the part's name.
    """
    parts, (use, _, representation) = installed(), (modality or "").partition("/")
    if use not in parts.names("modality"):
        return {}
    spec = parts.modality(use)
    names = _fields("modality", use, parts.options(spec), taken)
    chosen = representation or next(iter(spec.representations), "")
    if chosen not in parts.names("representation"):
        return names
    return {
        **_fields(
            "representation",
            chosen,
            parts.options(parts.get("representation", chosen)),
            {**taken, **names},
        ),
        **names,
    }


def _fields(
    table: str, prefix: str, model: type[Options], taken: Mapping[str, str]
) -> dict[str, str]:
    return {
        f"{prefix}_{name}" if name in taken else name: f"{table}.{name}"
        for name in model.model_fields
    }


def sampling_names(modality: str) -> dict[str, str]:
    """The short names of the settings of sampling: those of ``difftool sample``."""
    names = {name: f"sample.{name}" for name in SampleOptions.model_fields}
    names |= {"sampler": "sampler.use", "schedule": "schedule.use", "guidance": "guidance.scale"}
    return {**names, **_fields(REQUEST, modality, request_model(installed(), modality), names)}


def editing_names(modality: str, edit: str) -> dict[str, str]:
    """The short names of the settings of an edit: those of ``difftool edit``.

    The edit's own come first, then those of the selection, then those of sampling.
    """
    parts = installed()
    own = _fields(EDIT, edit, parts.options(parts.get("edit", edit)), {})
    own |= _fields(SELECTION, "select", selection_model(parts, modality), own)
    return {**sampling_names(modality), **own}
