"""remark: what a person should know of an example that is used all the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_said: ContextVar[list[str] | None] = ContextVar("remarks", default=None)


def remark(text: str) -> None:
    """Say something of the example that ``Modality.read`` is reading. It is kept with the cache and told when training begins."""
    said = _said.get()
    if said is not None:
        said.append(text)


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Yields the list that remarks made inside the block are added to."""
    said: list[str] = []
    token = _said.set(said)
    try:
        yield said
    finally:
        _said.reset(token)
