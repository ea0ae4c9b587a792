"""A representation with the weights of another run, where a run starts from a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ..config import Config
from ..engine.folder import RunFolder
from ..engine.weights import MODEL, read_about
from ..errors import UsageError
from ..names import local_path
from ..nn.frozen import digest_of
from ..representation import Representation, weights_of

ENCODER = ".encoder."
"""In the names of the weights that decide what latents are. The decoder decides what they become:
another one, such as one that learnt on clips, is welcome.
"""


def require_same_latents(
    representation: Representation, weights: Mapping[str, Tensor], path: Path
) -> None:
    """Refuse the weights of a model file that learnt in the latents of another encoder.

    Kernels of another shape, such as those over space and time of the same encoder, are not
    compared.

    Raises:
        UsageError: the checksums differ.
    """
    own = {
        name: tensor
        for name, tensor in weights_of(representation).items()
        if ENCODER in name and name in weights and weights[name].shape == tensor.shape
    }
    here, there = digest_of(own), digest_of({name: weights[name] for name in own})
    if here != there:
        raise UsageError(
            f"{path} learnt in the latents of another encoder: its checksum is {there}, and that of "
            f"this run's is {here}. Name the autoencoder of that run in representation.model, or "
            "start without it."
        )


def holder_of(config: Config) -> Path | None:
    """The model file that a run starts from, where that alone still holds the weights of its
    representation: the run that they came from was moved or deleted. Else None.

    Raises ModelFileError if the file is damaged.
    """
    named = getattr(config.representation.options, "model", "")
    if not named or local_path(named).exists():
        return None
    for start in (config.train.init, getattr(config.objective.options, "base", "")):
        path = local_path(start) if start else None
        path = RunFolder(path).model_path if path is not None and path.is_dir() else path
        if (
            path is not None
            and path.is_file()
            and named in read_about(path, MODEL).get("opened", {})
        ):
            return path
    return None
