"""Networks that others have trained, from folders as the library transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..names import local_path

FILES = {
    "Model": "model.safetensors",
    "Tokenizer": "tokenizer.json",
    "FeatureExtractor": "preprocessor_config.json",
}
"""The end of a class's name in transformers -> the file that it reads beside ``config.json``."""


def pretrained(folder: str | Path, kind: str = "AutoModel") -> Any:
    """What a folder holds, opened by a class of the library transformers. Nothing is downloaded.

    A network is in eval mode and has no gradients.

    Args:
        folder: as ``save_pretrained`` writes it, with ``config.json``.
        kind: name of the class, such as ``"AutoModel"`` or ``"AutoTokenizer"``.

    Raises:
        UsageError: transformers is not installed, or the folder holds no such thing.
    """
    path = local_path(folder)
    library = transformers_library(path)
    network = "Model" in kind
    try:
        found = getattr(library, kind).from_pretrained(
            path, local_files_only=True, **({"use_safetensors": True} if network else {})
        )
    except Exception as error:  # of transformers, or of a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        file = next((file for end, file in FILES.items() if end in kind), "")
        raise UsageError(
            f"The network in {path} could not be loaded: {reason}. Place config.json and {file} "
            "there, as save_pretrained of the library transformers writes them: difftool downloads "
            "nothing by itself."
        ) from None
    return found.eval().requires_grad_(False) if network else found


def transformers_library(folder: str | Path) -> Any:
    """The library transformers, which shows no progress and warns of nothing.

    Args:
        folder: what it is needed for.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise UsageError(
            f"{folder} is opened with the library transformers, which cannot be imported. Install "
            f"it: pip install difftool[encoders]. ({error})"
        ) from None
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # what is not of the asked tower is no fault
    return transformers
