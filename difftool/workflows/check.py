"""What a model would see in data, and what is wrong with it, before training on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config import gather, resolve
from ..data.remark import remarks
from ..shell import quoted
from .keywords import given, installed, training_names

if TYPE_CHECKING:
    from ..modality import Finding
    from ..plugin.registry import Registry


def check(path: str | Path, modality: str | None = None, **settings: Any) -> list[Finding]:
    """What a model would see in some data, and what is wrong with it: each with ``level`` (ok,
    note, warning, error) and ``text``.

    Args:
        path: a folder or a file.
        modality: the kind of data, such as ``"image"``.
        settings: as of ``difftool.training``: the modality's own, such as ``size=64``.

    Raises:
        ConfigError: settings, all faults at once.
        DataError: there is nothing usable in it.
    """
    return findings(
        Path(path), modality, given(settings, training_names(modality)), (), installed()
    )


def findings(
    path: Path,
    modality: str | None,
    flags: Iterable[tuple[str, str, Any]],
    sets: Sequence[str],
    parts: Registry,
) -> list[Finding]:
    """The same, of settings as the command line gives them."""
    from ..data.inspect import ArrayInspection, inspect
    from ..data.locate import locate
    from ..modality import Finding

    config = resolve(modality, gather(parts, modality, None, (), flags, sets), parts)
    spec = parts.modality(config.modality.use)
    built = parts.load(spec)(config.modality.options)
    with remarks() as texts:
        folder = locate(str(path), parts, config.source.use, config.source.options)
        items = built.scan(folder)
    found = inspect(spec.name, built, items, parts.inspection(spec) or ArrayInspection)
    shown = [replace(one, text=_renamed(one.text, folder, path)) for one in found]
    return [*shown, *(Finding("note", text) for text in texts)]


def _renamed(text: str, folder: Path, path: Path) -> str:
    """The text with the name that the user wrote, also where it is quoted for a shell."""
    for both in (lambda one: quoted(str(one)), str):
        text = text.replace(both(folder), both(path))
    return text
