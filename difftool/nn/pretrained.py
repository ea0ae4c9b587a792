"""Networks that others have trained, from folders as the libraries transformers and open_clip save
them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import DifftoolError, Notice, UsageError, is_out_of_memory
from ..names import local_path
from ..shell import quoted

CONFIG = "config.json"
FILES = {
    "Model": "model.safetensors",
    "Tokenizer": "tokenizer.json",
    "FeatureExtractor": "preprocessor_config.json",
}
"""The end of a class's name in transformers -> the file that it reads beside ``config.json``."""

OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
"""The files of a folder in open_clip's own format."""


def pretrained(folder: str | Path, kind: str = "AutoModel") -> Any:
    """What a folder holds, opened by a class of the library transformers. Nothing is downloaded.

    A network is in eval mode and has no gradients. A folder in open_clip's own format is opened by
    open_clip: its model, or its tokenizer.

    Args:
        folder: as ``save_pretrained`` writes it, with ``config.json``.
        kind: name of the class, such as ``"AutoModel"`` or ``"AutoTokenizer"``.

    Raises:
        UsageError: the library is not installed, or the folder holds no such thing.
    """
    path = local_path(folder)
    own = is_open_clip(path)
    library = open_clip_library(path) if own else transformers_library(path)
    try:
        found = (_by_open_clip if own else _by_transformers)(library, path, kind)
    except Exception as error:  # of the library, or of a damaged file
        reason = str(error).partition("\n")[0] or type(error).__name__
        files = [OPEN_CLIP_CONFIG, OPEN_CLIP_WEIGHTS] if own else [CONFIG, _file(kind)]
        raise UsageError(
            f"The network in {path} could not be loaded: {reason}. Place "
            f"{' and '.join(filter(None, files))} there, as the library "
            f"{library.__name__} writes them: difftool downloads nothing by itself."
        ) from None
    return found.eval().requires_grad_(False) if "Model" in kind else found


@contextmanager
def applied(folder: str | Path) -> Iterator[None]:
    """Wherever a network of others is applied: what goes wrong inside it is a fault of its files,
    which were loaded and do not fit each other.

    Args:
        folder: where it comes from, or its name.

    Raises:
        UsageError: for what the network raises.
    """
    try:
        yield
    except Exception as error:
        if isinstance(error, DifftoolError | OSError) or is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"The network in {folder} was loaded and cannot be applied: {reason}. Place the files "
            "there as its makers published them: its configuration, that of its inputs and its "
            "weights have to fit each other. Add --debug to see where it arose."
        ) from error


def is_open_clip(folder: str | Path) -> bool:
    """Whether a folder holds a model in open_clip's own format, and not in that of transformers."""
    path = local_path(folder)
    return (path / OPEN_CLIP_CONFIG).is_file() and not (path / CONFIG).is_file()


def _file(kind: str) -> str:
    return next((file for end, file in FILES.items() if end in kind), "")


def _by_transformers(library: Any, path: Path, kind: str) -> Any:
    opener = getattr(library, kind)
    if "Model" not in kind:
        return opener.from_pretrained(path, local_files_only=True)
    found, loading = opener.from_pretrained(
        path, local_files_only=True, use_safetensors=True, output_loading_info=True
    )
    if lacking := sorted(loading["missing_keys"]):
        warnings.warn(
            f"{path / _file(kind)} lacks {len(lacking)} of the tensors of {type(found).__name__}, such "
            f"as {lacking[0]}. They are random: what they compute says nothing.",
            Notice,
            stacklevel=2,
        )
    return found


def _by_open_clip(library: Any, path: Path, kind: str) -> Any:
    if "Model" not in kind:
        return library.get_tokenizer(f"local-dir:{path}")
    if not (path / OPEN_CLIP_WEIGHTS).is_file():
        raise FileNotFoundError(f"{OPEN_CLIP_WEIGHTS} is missing")  # it would begin at random
    return library.create_model(f"local-dir:{path}")


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
        raise UsageError(_install(folder, "transformers", "difftool[encoders]", error)) from None
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()  # what is not of the asked tower is no fault
    return transformers


def open_clip_library(folder: str | Path) -> Any:
    """The library open_clip, which is needed for a folder. Raises UsageError."""
    try:
        import open_clip
    except ImportError as error:
        raise UsageError(_install(folder, "open_clip", "open_clip_torch", error)) from None
    return open_clip


def _install(folder: str | Path, library: str, package: str, error: Exception) -> str:
    return (
        f"{folder} is opened with the library {library}, which cannot be imported. Install it: pip "
        f"install {quoted(package)}. ({error})"
    )
