"""Texts as a column for a pretrained encoder, with the encoder's own tokenizer."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..column import Column, Rows, Value
from ..errors import DataError, Notice, UsageError
from ..names import local_path
from ..nn.pretrained import CONFIG, OPEN_CLIP_CONFIG, is_open_clip, pretrained
from ..options import Options
from .clip_tokenizer import tokenizer_json
from .columns import text_of
from .options import EncoderOptions
from .text_column import KEPT, LONGEST, PADDING, TextColumn


@dataclass(frozen=True)
class EncoderTextColumn(TextColumn):
    """Any text; "" is null. A batch is int64 ``[b, length]``: the encoder's tokens, then -1.

    Attributes:
        config: the encoder's ``config.json`` or ``open_clip_config.json``, from which it is built
            where its weights are stored in the model.
        pooling: how its tokens become one vector: ``own``, as the encoder does, or ``mean``.
    """

    kind: ClassVar[str] = "encoder"

    config: str = ""
    pooling: str = "own"

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, list[str]]:
        return cls.read_as(name, rows, EncoderOptions())

    @classmethod
    def read_as(cls, name: str, rows: Rows, options: Options) -> tuple[Self, list[str]]:
        assert isinstance(options, EncoderOptions)
        folder = encoder_folder(options.path, name)
        values = [text_of(row.get(name, "")).strip()[:LONGEST] for row in rows]
        counts = Counter(filter(None, values))
        if not counts:
            raise DataError(
                f"The column {name} has no text. Write captions into metadata.csv, or into a "
                ".txt file beside each file."
            )
        kept = dict(counts.most_common(KEPT))
        column = cls(
            name,
            tokenizer_of(folder),
            0,
            options.longest,
            tuple(kept),
            tuple(kept.values()),
            config_of(folder).read_text(encoding="utf-8"),
            pooling_of(folder),
        )
        lengths = {text: len(column._tokens(text)) for text in counts}
        length = min(options.longest, max(1, *lengths.values()))
        if cut := sum(counts[text] for text, n in lengths.items() if n > length):
            warnings.warn(
                f"{cut} of {counts.total()} texts of {name} are longer than {length} tokens, and "
                f"their ends are not read. Read more with conditions.{name}.longest.",
                Notice,
                stacklevel=2,
            )
        return replace(column, length=length), values

    def _tell_unknown(self, text: str) -> None:
        """Nothing: an encoder has a token for what it does not know."""

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        """A text that is cut keeps its last token, which may mark the end."""
        rows = np.full((len(values), self.length), PADDING, np.int64)
        for row, text in zip(rows, values, strict=True):
            tokens = self._tokens(text) if text else ()
            if len(tokens) > self.length:
                tokens = (*tokens[: self.length - 1], tokens[-1])
            row[: len(tokens)] = tokens
        return rows

    def entries(self) -> Sequence[str]:
        return ()

    def extended(self, other: Column) -> Self:
        """The encoder knows all texts as they are."""
        return self

    def meaning(self) -> tuple[Any, ...]:
        return (self.vocabulary, self.length, self.config, self.pooling)


def encoder_folder(path: str, name: str) -> Path:
    """The folder of an encoder. Raises UsageError where nothing is there: nothing is downloaded.

    Args:
        name: of the condition.
    """
    folder = local_path(path) if path else Path()
    if not path or not config_of(folder).is_file():
        raise UsageError(
            f"conditions.{name}.path {f'= {path} holds' if path else 'names'} no encoder. Name a "
            "folder as the library transformers saves it, with config.json, model.safetensors and "
            "tokenizer.json: difftool downloads nothing by itself."
        )
    return folder


def config_of(folder: Path) -> Path:
    """The file that says what the encoder is."""
    return folder / (OPEN_CLIP_CONFIG if is_open_clip(folder) else CONFIG)


def pooling_of(folder: Path) -> str:
    """``mean`` for a folder of sentence-transformers that says so, else ``own``."""
    with suppress(OSError, ValueError):
        about = json.loads((folder / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
        # by the present name, and by an earlier one
        if about.get("pooling_mode") == "mean" or about.get("pooling_mode_mean_tokens"):
            return "mean"
    return "own"


def tokenizer_of(folder: Path) -> str:
    """The tokenizer of an encoder, in the JSON format of the library ``tokenizers``."""
    file = folder / "tokenizer.json"
    if file.is_file():
        about = json.loads(file.read_text(encoding="utf-8"))
        about |= {"truncation": None, "padding": None}
        return json.dumps(about, ensure_ascii=False)
    if is_open_clip(folder):
        return tokenizer_json(folder)
    found = getattr(pretrained(folder, "AutoTokenizer"), "backend_tokenizer", None)
    if found is None:
        raise UsageError(
            f"{folder} has no tokenizer.json, and its tokenizer cannot be written as one. Take an "
            "encoder with a tokenizer of the library tokenizers."
        )
    return str(found.to_str())
