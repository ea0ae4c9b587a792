"""What a file says is not trusted: parts that cannot be built from it are a fault of the file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..config import Config
from ..errors import ModelFileError, UsageError, is_out_of_memory
from ..header import DAMAGED
from ..options import NoOptions
from ..plugin.registry import Registry
from ..plugin.spec import load_object
from ..rng import Streams
from ..stage import Stage

UNFIT = (
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
)
"""What code raises that is given numbers and tables other than it ever wrote."""


@contextmanager
def built_from(path: Path) -> Iterator[None]:
    """Inside the block, parts are built from what a file says about itself.

    Raises ModelFileError in place of an error of the parts' own code, which is its cause.
    """
    try:
        yield
    except (
        UsageError
    ) as error:  # of an option that no user gave; a file that opens itself names itself
        if str(path) in str(error):
            raise
        raise ModelFileError(f"{path} cannot be used: {error} {DAMAGED}") from error
    except UNFIT as error:
        if is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [""])[0]
        raise ModelFileError(
            f"{path} cannot be used: its parts cannot be built from what its header says "
            f"({type(error).__name__}: {reason}). {DAMAGED}"
        ) from error


def try_template(stage: Stage, config: Config, registry: Registry) -> None:
    """Make the template of one sample, which reads every fact that sampling needs of the data."""
    request = registry.modality(config.modality.use).request
    options = load_object(request)() if request else NoOptions()
    stage.modality.template(stage.description, 1, Streams(0, "template", range(1)), options)
