"""What a file says about its data beside shapes and columns, checked by the model of its modality."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ModelFileError
from ..header import DAMAGED
from ..plugin.registry import Registry

if TYPE_CHECKING:
    from ..description import Description


def check_facts(path: Path, modality: str, description: Description, registry: Registry) -> None:
    """Raise ModelFileError if ``description.extra`` lacks or garbles an entry
    (``ModalitySpec.facts``).

    Entries that the model does not know are left alone: an older version may have written them.
    """
    from ..about import adapter_of, checked  # its models, which help does not need

    if (model := registry.facts(registry.modality(modality))) is None:
        return
    known = {name: value for name, value in description.extra.items() if name in model.model_fields}
    try:
        checked(adapter_of(model), known, "description.extra")
    except ValueError as error:
        raise ModelFileError(f"{path} cannot be used: {error}. {DAMAGED}") from None
