"""remark: something that a user should know about an example which is used nevertheless."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_texts: ContextVar[list[str] | None] = ContextVar("remarks", default=None)


def remark(text: str) -> None:
    """Note something about the example that ``Modality.read`` is reading.

    The cache stores the text, and training prints it at its start.
    """
    texts = _texts.get()
    if texts is not None:
        texts.append(text)


@contextmanager
def remarks() -> Iterator[list[str]]:
    """Yield a list; remarks made inside the block are appended to it."""
    texts: list[str] = []
    token = _texts.set(texts)
    try:
        yield texts
    finally:
        _texts.reset(token)
