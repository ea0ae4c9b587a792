"""What a frozen encoder made of each text, kept in the cache: a text is encoded once."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..files import cache_root

Encode = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Embeddings:
    """A table of encoded texts, for one file of weights and one layer.

    Args:
        weights: the encoder's file; its size and time of change name the table.
    """

    def __init__(self, weights: Path, layer: int) -> None:
        state = weights.stat() if weights.is_file() else None
        about = [str(weights.absolute()), state and (state.st_size, state.st_mtime_ns), layer]
        name = hashlib.blake2b(repr(about).encode(), digest_size=10).hexdigest()
        self._path = cache_root() / "embeddings" / f"{name}.sqlite"
        self._known: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, ids: Tensor, mask: Tensor, encode: Encode) -> tuple[Tensor, Tensor]:
        """``encode(ids, mask)``, of which only texts that are new are computed."""
        rows = _rows(ids, mask)
        missing = list(dict.fromkeys(row for row in rows if row not in self._known))
        missing = self._load(missing)
        if missing:
            places = [rows.index(row) for row in missing]
            tokens, pooled = encode(ids[places], mask[places])
            made = zip(tokens.float().cpu().numpy(), pooled.float().cpu().numpy(), strict=True)
            self._keep(dict(zip(missing, made, strict=True)))
        tokens, pooled = (
            torch.from_numpy(np.stack([self._known[row][part] for row in rows])).to(ids.device)
            for part in (0, 1)
        )
        return tokens, pooled

    def _load(self, rows: list[bytes]) -> list[bytes]:
        """Read what the table has of these texts; returns those that it lacks."""
        if not rows or not self._path.exists():
            return rows
        with sqlite3.connect(self._path, timeout=60) as table:
            for row in rows:
                found = table.execute(
                    "SELECT n, tokens, pooled FROM texts WHERE ids = ?", (row,)
                ).fetchone()
                if found:
                    n, tokens, pooled = found
                    self._known[row] = (
                        np.frombuffer(tokens, np.float32).reshape(n, -1),
                        np.frombuffer(pooled, np.float32),
                    )
        table.close()
        return [row for row in rows if row not in self._known]

    def _keep(self, made: dict[bytes, tuple[np.ndarray, np.ndarray]]) -> None:
        self._known |= made
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with sqlite3.connect(self._path, timeout=60) as table:
            table.execute(
                "CREATE TABLE IF NOT EXISTS texts (ids BLOB PRIMARY KEY, n INT, tokens BLOB, "
                "pooled BLOB)"
            )
            table.executemany(
                "INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)",
                [
                    (row, len(tokens), tokens.tobytes(), pooled.tobytes())
                    for row, (tokens, pooled) in made.items()
                ],
            )
        table.close()


def _rows(ids: Tensor, mask: Tensor) -> list[bytes]:
    """A key for each text: its tokens and how long it is padded."""
    return [row.tobytes() for row in ids.masked_fill(~mask, -1).cpu().numpy()]
