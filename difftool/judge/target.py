"""Target: a condition of the data as something that a judge learns to see."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..column import Column
from ..conditioners.columns import LabelColumn, LabelsColumn, NumberColumn
from ..conditioners.text_column import TextColumn

WORDS = 256
"""Hashes of words: some words share one, and a text is still told from most others."""

TEMPERATURE = 0.1

SMOOTHING = 0.05
"""Of labels, so that a sure judge still has features that differ."""

RARE = 4
"""Examples that a label has on average; with fewer, it is a name and not a kind."""


@dataclass(frozen=True)
class Target:
    """What a judge learns of one condition.

    Attributes:
        kind: label, labels, number, or words of a text.
        width: number of outputs; of words, the number of kinds that are told apart.
        mean, std: of a number.
    """

    name: str
    kind: str
    width: int
    mean: float = 0.0
    std: float = 1.0

    def loss(self, guess: Tensor, asked: Tensor) -> Tensor:
        """The mean over the examples that have a value; not of words (``matched``)."""
        if self.kind == "label":
            known = asked >= 0
            guess, asked = guess[known], asked[known]
            return (
                F.cross_entropy(guess, asked, label_smoothing=SMOOTHING)
                if len(asked)
                else guess.sum()
            )
        if self.kind == "labels":
            known = asked >= 0
            each = F.binary_cross_entropy_with_logits(guess, asked.clamp_min(0), reduction="none")
        else:
            known = ~asked.isnan()
            each = (guess[:, 0] - (asked.nan_to_num() - self.mean) / self.std).square()
        return (each * known).sum() / known.sum().clamp_min(1)

    def shown(self, guess: Tensor) -> np.ndarray:
        """Outputs as ``Features.guesses``."""
        if self.kind == "number":
            return (guess[:, 0] * self.std + self.mean).double().cpu().numpy()
        p = guess.double().softmax(1) if self.kind == "label" else guess.double().sigmoid()
        return p.cpu().numpy()


def matched(seen: Tensor, told: Tensor, asked: Tensor) -> Tensor:
    """The cross-entropy of finding each example's text among those of the batch, and back.

    Radford et al. 2021, arXiv:2103.00020, Fig. 3, except that equal texts are equally right.

    Args:
        seen, told: ``[b, d]`` of length 1, of examples and of their texts.
        asked: the words of the texts, ``[b, words]``; -1 where there is none.
    """
    known = asked[:, 0] >= 0
    seen, told, asked = seen[known], told[known], asked[known].float()
    if len(asked) < 2:
        return seen.sum() * 0
    same = (torch.cdist(asked, asked, p=1) == 0).float()
    right = same / same.sum(1, keepdim=True)
    logits = seen @ told.T / TEMPERATURE
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2


def words_of(text: str) -> np.ndarray:
    """int64 ``[WORDS]``: 1 for each word of a text, by its hash; the order of words is lost."""
    found = np.zeros(WORDS, np.int64)
    for word in re.findall(r"\w+", text.lower()):
        found[zlib.crc32(word.encode()) % WORDS] = 1
    return found


def target(column: Column, count: int) -> Target | None:
    """The target of a column of ``count`` examples; None if a judge cannot learn it."""
    if isinstance(column, LabelColumn) and 2 <= len(column.names) <= count / RARE:
        return Target(column.name, "label", len(column.names))
    if isinstance(column, LabelsColumn) and 1 <= len(column.names) <= count / RARE:
        return Target(column.name, "labels", len(column.names))
    if isinstance(column, NumberColumn) and column.high > column.low:
        return Target(column.name, "number", 1, column.mean, column.std)
    if isinstance(column, TextColumn) and len(column.texts) > 1:
        return Target(column.name, "words", WORDS)
    return None


def values(column: Column, rows: Sequence[Mapping[str, str | float | None]]) -> np.ndarray:
    """``Features.asked`` of conditions as a user writes them; the words of a text."""
    if isinstance(column, TextColumn):
        texts = [row.get(column.name) for row in rows]
        nothing = np.full(WORDS, -1)
        return np.stack([words_of(str(text)) if text else nothing for text in texts])
    found = [
        column.null if (text := row.get(column.name)) is None else column.parse(str(text))
        for row in rows
    ]
    return column.batch(found)


def as_tensors(asked: Mapping[str, np.ndarray], indices: np.ndarray) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array[indices]) for name, array in asked.items()}
