"""Texts as a column: captions, with a vocabulary that is learnt from them."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from ..column import NULL_WORDS, Column, Rows, Value
from ..errors import DataError, Notice, UsageError
from ..options import Options
from .columns import as_often, text_of
from .options import TextOptions
from .weighted import LOWER, Weighted, coded, weighted

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PADDING = -1
"""What stands behind the tokens of a text in a row of a batch."""

KEPT = 1000
"""The number of most frequent texts that are stored, to draw from."""

LONGEST = 10_000
"""Characters of a text that are read; the rest could not become tokens."""

UNKNOWN = "[UNK]"

SHOWN = 5
"""Unknown words of a prompt that are named."""


@dataclass(frozen=True)
class TextColumn(Column):
    """Any text; "" is null. A batch is int64 ``[b, length]``: tokens, then -1.

    The words of a prompt may have weights, which are the upper bits of their tokens.

    Attributes:
        vocabulary: the tokenizer, in the JSON format of the library ``tokenizers``.
        size: number of its tokens; length: tokens that are read of a text.
        texts, counts: the most frequent texts and how often they occur.
    """

    kind: ClassVar[str] = "text"

    vocabulary: str = ""
    size: int = 0
    length: int = 0
    texts: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.counts) or any(n < 1 for n in self.counts):
            raise ValueError("texts need as many counts, each of at least 1")
        if not 0 <= self.size <= 1 << 20 or not 0 <= self.length <= 1 << 16:
            raise ValueError("size or length is out of bounds")

    @classmethod
    def read(cls, name: str, rows: Rows) -> tuple[Self, list[str]]:
        return cls.read_as(name, rows, TextOptions())

    @classmethod
    def read_as(cls, name: str, rows: Rows, options: Options) -> tuple[Self, list[str]]:
        assert isinstance(options, TextOptions)
        values = [text_of(row.get(name, "")).strip()[:LONGEST] for row in rows]
        counts = Counter(filter(None, values))
        if not counts:
            raise DataError(
                f"The column {name} has no text. Write captions into metadata.csv, or into a "
                ".txt file beside each file."
            )
        tokenizer = learned(list(counts.elements()), options)
        lengths = {text: len(tokenizer.encode(text).ids) for text in counts}
        length = min(options.longest, max(1, *lengths.values()))
        if cut := sum(counts[text] for text, n in lengths.items() if n > length):
            warnings.warn(
                f"{cut} of {counts.total()} texts of {name} are longer than {length} tokens, and "
                f"their ends are not read. Read more with conditions.{name}.longest.",
                Notice,
                stacklevel=2,
            )
        kept = dict(counts.most_common(KEPT))
        column = cls(
            name,
            tokenizer.to_str(),
            tokenizer.get_vocab_size(),
            length,
            tuple(kept),
            tuple(kept.values()),
        )
        return column, values

    @property
    def null(self) -> str:
        return ""

    def parse(self, text: str) -> str:
        text = text.strip()
        if text.lower() in NULL_WORDS:
            return self.null
        text = weighted(text)
        if not self._tokens(text):
            raise UsageError(
                f"{text!r} has no word that the model knows. Describe it as the captions of the "
                "data do."
            )
        self._tell_unknown(text)
        return text

    def show(self, value: Value) -> str | None:
        return value or None

    def draw(self, u: float) -> str:
        return self.texts[as_often(self.counts, u)]

    def batch(self, values: Sequence[Value]) -> np.ndarray:
        rows = np.full((len(values), self.length), PADDING, np.int64)
        for row, text in zip(rows, values, strict=True):
            tokens = self._tokens(text)[: self.length]
            row[: len(tokens)] = tokens
        unknown = _tokenizer(self.vocabulary).token_to_id(UNKNOWN)
        # it was never trained where the vocabulary has all words; the others keep their places
        return rows if unknown is None else np.where(rows & LOWER == unknown, PADDING, rows)

    def entries(self) -> Sequence[str]:
        return _words(self.vocabulary)

    def extended(self, other: Column) -> Self:
        """A vocabulary of words learns the words of the other's texts; pieces and bytes know all
        texts as they are.
        """
        assert isinstance(other, TextColumn)
        own = dict(zip(self.texts, self.counts, strict=True))
        texts = own | {
            text: n for text, n in zip(other.texts, other.counts, strict=True) if text not in own
        }
        made = replace(self, texts=tuple(texts), counts=tuple(texts.values()))
        words = unknown_words(self.vocabulary, other.texts)
        if not words:
            return made
        vocabulary = with_words(self.vocabulary, words)
        return replace(made, vocabulary=vocabulary, size=len(_words(vocabulary)))

    def meaning(self) -> tuple[Any, ...]:
        return (self.vocabulary, self.length)

    def _tell_unknown(self, text: str) -> None:
        """Say which words of a prompt the vocabulary lacks; each once."""
        plain = text.plain if isinstance(text, Weighted) else text
        said = _said(self.vocabulary)
        if words := [word for word in unknown_words(self.vocabulary, [plain]) if word not in said]:
            said.update(words)
            shown = ", ".join(repr(word) for word in words[:SHOWN])
            more = f" and {len(words) - SHOWN} more" if len(words) > SHOWN else ""
            warnings.warn(
                f"Words that the vocabulary of {self.name} lacks are ignored: {shown}{more}.",
                Notice,
                stacklevel=3,
            )

    def _tokens(self, text: str) -> tuple[int, ...]:
        if not isinstance(text, Weighted):
            return tuple(token for token, _ in _encoder(self.vocabulary)(text))
        pieces = _encoder(self.vocabulary)(text.plain)
        return tuple(coded(token, place, text.weights) for token, place in pieces)


Piece = tuple[int, tuple[int, int]]
"""A token, and from where to where in the text it stands."""


@lru_cache(maxsize=8)
def _encoder(vocabulary: str) -> Callable[[str], tuple[Piece, ...]]:
    """Text to tokens, by this vocabulary; repeated texts cost nothing."""
    tokenizer = _tokenizer(vocabulary)
    unknown = tokenizer.token_to_id(UNKNOWN)

    @lru_cache(maxsize=1 << 16)
    def encode(text: str) -> tuple[Piece, ...]:
        found = tokenizer.encode(text)
        if all(token == unknown for token in found.ids):
            return ()
        return tuple(zip(found.ids, found.offsets, strict=True))

    return encode


@lru_cache(maxsize=8)
def _tokenizer(vocabulary: str) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(vocabulary)
    except Exception as error:  # the library raises plain Exception
        raise DataError(
            f"The vocabulary of the model cannot be read: {error}. The file is damaged, or was "
            "written by a newer version of tokenizers."
        ) from None


@lru_cache(maxsize=8)
def _said(vocabulary: str) -> set[str]:
    """The words that this process has said the vocabulary lacks."""
    del vocabulary
    return set()


@lru_cache(maxsize=8)
def _words(vocabulary: str) -> tuple[str, ...]:
    """The tokens in the order of their numbers."""
    found = _tokenizer(vocabulary).get_vocab()
    return tuple(sorted(found, key=found.__getitem__))


def unknown_words(vocabulary: str, texts: Sequence[str]) -> list[str]:
    """The words of texts that a vocabulary of words lacks, in the order in which they come."""
    tokenizer = _tokenizer(vocabulary)
    unknown = tokenizer.token_to_id(UNKNOWN)
    if unknown is None:
        return []
    words = dict[str, None]()
    for text in texts:
        found = tokenizer.encode(text)
        for token, (start, stop) in zip(found.ids, found.offsets, strict=True):
            if token == unknown:
                words[tokenizer.normalizer.normalize_str(text[start:stop])] = None
    return list(words)


def with_words(vocabulary: str, words: Sequence[str]) -> str:
    """A vocabulary of words with more of them behind its own."""
    about = json.loads(vocabulary)
    known = about["model"]["vocab"]
    known |= {word: len(known) + place for place, word in enumerate(words)}
    return json.dumps(about, ensure_ascii=False)


def learned(texts: Sequence[str], options: TextOptions) -> Tokenizer:
    """A tokenizer whose vocabulary is learnt from texts.

    Byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909) of bytes, so that it has no unknown
    characters; words; or bytes alone. Upper and lower case are the same.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

    trainer: trainers.Trainer
    if options.vocabulary == "word":
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(
            vocab_size=options.size, special_tokens=[UNKNOWN], show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=256 if options.vocabulary == "byte" else max(256, options.size),
            min_frequency=2,
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
