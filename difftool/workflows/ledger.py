"""The ledger of a run's data, written beside the run when its training ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from ..engine.folder import RunFolder
from ..errors import DifftoolError
from ..files import write_text

if TYPE_CHECKING:
    from ..config import Config
    from ..plugin.registry import Registry


def keep_ledger(folder: RunFolder, config: Config, parts: Registry) -> None:
    """Write ``data.csv`` into a run that has none.

    Data that are not there any more, or cannot be read, leave it without one.
    """
    if folder.ledger_path.exists():
        return
    from ..assemble import data_folder, demo_folder, make_modality  # torch
    from ..data.ledger import as_table, ledger

    with suppress(DifftoolError, OSError):  # a model is worth more than its papers
        modality = make_modality(config, parts)
        path = (
            data_folder(config, parts, config.data.path)
            if config.data.path
            else demo_folder(config.modality.use, modality).absolute()
        )
        entries = list(ledger(modality, modality.scan(path), path))
        write_text(folder.ledger_path, as_table(entries))
