"""The test classes of a package's parts, for ``difftool plugins check``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib import import_module

import pytest

from ..errors import UsageError


def suites(
    parts: Sequence[tuple[str, str]], usual: Mapping[int, Callable[[], type]], own: str = ""
) -> dict[str, type]:
    """Test classes that are named ``TestPart{i}_{j}``, where ``i`` is the place of the part tested.

    Args:
        parts: the kind and the name of each part.
        usual: makes the test class of the part at this place; the part is tested with its default
            settings.
        own: the package's own module of contract tests. A part that it tests has no usual test
            class: the package's author knows better what suits the part.
    """
    known = vars(import_module(own)).values() if own else ()
    tested = [(part, value) for value in known if (part := getattr(value, "part", None)) in parts]
    covered = {part for part, _ in tested}
    tested += [(parts[i], _made(make)) for i, make in usual.items() if parts[i] not in covered]
    return {f"TestPart{parts.index(part)}_{j}": suite for j, (part, suite) in enumerate(tested)}


def _made(make: Callable[[], type]) -> type:
    """The test class, or one that is skipped with the reason why there is none."""
    try:
        return make()
    except UsageError as reason:
        return type("Untested", (), {"test_it": partial(_skip, str(reason))})


def _skip(reason: str) -> None:
    pytest.skip(reason)
