"""Files of the user's that a stage refines, in place of what an earlier stage makes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ..errors import UsageError
from .link import Conditions, Link
from .reporter import Reporter

if TYPE_CHECKING:
    import numpy as np

    from ..batch import Batch
    from ..modality import Item, Modality


def read_low(item: Item, modality: Modality, link: Link, degraded: bool, reporter: Reporter, as_trained: bool = False) -> np.ndarray:
    """A file as an earlier stage would have made it, in raw units: whole and at its own size.

    Args:
        modality: the earlier stage's.
        degraded: it is the stage's own, as no earlier one is named, and what it reads is brought down as in training.
        as_trained: it is brought to the size of training examples.
    """
    import numpy as np
    import torch

    from ..batch import Batch
    from ..engine.generate import unpadded

    if not as_trained:
        whole = modality.read_given(item)
        if not degraded or link.bridge is None:
            return whole
        raw = Batch(torch.from_numpy(np.array(whole)[None]))  # a copy: what is read may be a map that cannot be written to
    else:
        raw = _cut(item, modality, link.request.seed, reporter)
    if degraded and link.bridge is not None:
        raw = link.bridge.degrade(raw)
    return unpadded(raw.x, raw)[0]


def _cut(item: Item, modality: Modality, seed: int, reporter: Reporter) -> Batch:
    """A file as training would read it."""
    from ..engine.generate import unpadded
    from ..rng import Stream

    whole = modality.read(item)
    raw = modality.collate([whole], Stream(seed, "given"))
    if unpadded(raw.x, raw)[0].size < whole.size:
        reporter.say(f"{item.path} is longer than what the model was trained on: a part of it, taken at random, is refined.")
    return raw


def tell_larger(low: Collection[np.ndarray], usual: Sequence[int | None], reporter: Reporter) -> None:
    """Say of examples that are larger than those of the earlier stage, of shape ``usual``, what that means: it may take long."""
    larger = sum(any(most is not None and n > most for n, most in zip(one.shape, usual, strict=False)) for one in low)
    if larger:
        many = f"{larger} of {len(low)} examples are" if len(low) > 1 else "It is"
        reporter.say(f"{many} larger than what was trained on, and refined whole. --as-trained brings what is given to that size.")


def usual_low(link: Link, earlier: Link | None) -> Sequence[int | None]:
    """The shape of what a stage was trained to refine: an earlier stage's examples, or its own brought down; empty where it varies."""
    import torch

    from ..batch import Batch

    about = (earlier or link).model.description
    if earlier is not None or link.bridge is None:
        return about.shape
    sizes = [n for n in about.shape if n is not None]
    return (
        link.bridge.degrade(Batch(torch.zeros(1, *sizes, dtype=getattr(torch, about.dtype)))).x.shape[1:]
        if len(sizes) == len(about.shape)
        else ()
    )


def told_of(item: Item, link: Link) -> Conditions:
    """What its folder or a table says of a file, where the stage knows that value; the rest is left open."""
    return {name: _known(link, name, item.columns.get(name)) for name in link.able}


def _known(link: Link, name: str, value: str | float | None) -> str | None:
    from ..data.columns import text_of

    if value is None:
        return None
    try:
        link.model.description.conditions[name].parse(text_of(value))
    except UsageError:
        return None
    return text_of(value)
