"""Judge: a trained network with all that it needs to look at examples, as one file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..errors import UsageError
from ..files import replacing
from ..metric import Features
from ..metrics.agreement import relative_error, share_right
from ..metrics.captions import retrieved
from ..rng import generator
from .eye import Eye
from .network import JudgeNetwork
from .target import Target
from .train import steps_for, train, view

FORMAT = 2
AT_ONCE = 128
FEWEST = 100
"""Number of examples below which no judge is trained."""

PART = 5
"""One in so many examples is held out from the training of a judge."""

SEED = 20200213
"""Of the training: only the data make a difference between two judges."""

Seen = Callable[[int], np.ndarray]
Count = Callable[[Iterable[int], int], Iterable[int]]


@dataclass
class Judge:
    """A network that has seen the data.

    Attributes:
        scale: root mean square of the deviations of all features of the data; features are divided
            by it, so that distances of different data can be compared.
        quality: numbers of examples that it was not trained on: the share of right labels and the
            error of numbers by condition, of texts the share that is found again, and under ``views`` the share of views whose other one it
            finds among ``AT_ONCE`` examples.
    """

    eye: Eye
    targets: Sequence[Target]
    network: JudgeNetwork
    scale: float = 1.0
    quality: dict[str, float] = field(default_factory=dict)

    @torch.no_grad()
    def features(
        self,
        seen: Sequence[np.ndarray],
        asked: Mapping[str, np.ndarray],
        numbers: np.ndarray | None = None,
    ) -> Features:
        """What the judge sees in examples as their modality shows them."""
        device = next(self.network.parameters()).device
        vectors, guesses, matches = [], [], []
        for at in range(0, len(seen), AT_ONCE):
            x = torch.from_numpy(self.eye.look(seen[at : at + AT_ONCE])).to(device)
            vectors.append(self.network.features(x))
            guesses.append(self.network.guesses(vectors[-1]))
            matches.append(self.network.matches(vectors[-1]))
        labelled = [one for one in self.targets if one.kind != "words"]
        return Features(
            torch.cat(vectors).double().cpu().numpy() / self.scale,
            {
                one.name: one.shown(torch.cat([guess[one.name] for guess in guesses]))
                for one in labelled
            },
            {one.name: asked[one.name] for one in labelled if one.name in asked},
            np.full(len(seen), -1) if numbers is None else numbers,
            {
                one.name: (
                    torch.cat([match[one.name] for match in matches]).double().cpu().numpy(),
                    self._told(one.name, asked[one.name]),
                )
                for one in self.targets
                if one.kind == "words" and one.name in asked
            },
        )

    def _told(self, name: str, words: np.ndarray) -> np.ndarray:
        device = next(self.network.parameters()).device
        return self.network.texts(name, torch.from_numpy(words).to(device)).double().cpu().numpy()

    def save(self, path: Path) -> None:
        """Write the file; one that is there, of another process, is the same judge."""
        about = {
            "format": FORMAT,
            "eye": asdict(self.eye),
            "targets": [asdict(one) for one in self.targets],
            "scale": self.scale,
            "quality": self.quality,
        }
        with replacing(path) as partial:
            save_file(
                {
                    name: value.contiguous().cpu()
                    for name, value in self.network.state_dict().items()
                },
                partial,
                {"judge": json.dumps(about)},
            )

    @classmethod
    def load(cls, path: Path) -> Judge:
        """A saved judge. Raises OSError, ValueError or KeyError for a file that is not one."""
        with safe_open(path, "pt") as file:
            about: dict[str, Any] = json.loads(file.metadata()["judge"])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        eye = Eye(**{name: tuple(value) for name, value in about["eye"].items()})
        targets = [Target(**one) for one in about["targets"]]
        network = _network(eye, targets)
        network.load_state_dict(weights)
        return cls(eye, targets, network.eval(), about["scale"], about["quality"])


def _network(eye: Eye, targets: Sequence[Target]) -> JudgeNetwork:
    heads, texts = (
        {one.name: one.width for one in targets if (one.kind == "words") == of_texts}
        for of_texts in (False, True)
    )
    return JudgeNetwork(eye.channels, len(eye.axes), heads, texts)


def is_held_out(numbers: np.ndarray) -> np.ndarray:
    """Whether a judge is not trained on the examples of these numbers; always the same ones."""
    mixed = (numbers.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(40)
    return mixed % np.uint64(PART) == 0


def trained_judge(
    seen: Sequence[np.ndarray],
    targets: Sequence[Target],
    asked: Mapping[str, np.ndarray],
    numbers: np.ndarray,
    counted: Count,
    device: torch.device | str = "cpu",
    steps: int | None = None,
) -> Judge:
    """Train a judge on the examples that are not held out, and measure it on those that are.

    Args:
        seen: examples as their modality shows them.
        asked: condition name -> the value of each example.
        numbers: of the examples in the data.
        counted: shows the progress of so many steps.
        steps: of the training; None for as many as the data need.

    Raises:
        UsageError: too few examples.
    """
    if len(seen) < FEWEST:
        raise UsageError(
            f"{len(seen)} examples are too few to train a judge of samples: it needs at least "
            f"{FEWEST}. Use more data."
        )
    held = is_held_out(numbers)
    (train_at,), (held_at,) = np.nonzero(~held), np.nonzero(held)
    eye = Eye.of([seen[int(i)] for i in train_at])

    def look(indices: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(eye.look([seen[int(i)] for i in train_at[indices]]))

    rng = generator(SEED, "judge")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = _network(eye, targets).to(device)
    known = {name: array[train_at] for name, array in asked.items()}
    total = steps or steps_for(len(train_at))
    for _ in counted(train(network, look, len(train_at), targets, known, rng, total), total):
        pass
    judge = Judge(eye, targets, network)
    judge.scale = (
        float(judge.features([seen[int(i)] for i in train_at], {}).vectors.std(0).mean()) or 1.0
    )
    some = [seen[int(i)] for i in held_at]
    judge.quality = _quality(judge, some, {name: array[held_at] for name, array in asked.items()})
    return judge


def _quality(
    judge: Judge, seen: Sequence[np.ndarray], asked: Mapping[str, np.ndarray]
) -> dict[str, float]:
    found = judge.features(seen, asked)
    quality = {"views": _found_views(judge, seen[:AT_ONCE])}
    for one in judge.targets:
        if one.kind == "words":
            if one.name in found.alike:
                quality[one.name] = retrieved(*found.alike[one.name])
            continue
        guess, truth = found.guesses[one.name], found.asked[one.name]
        quality[one.name] = (
            relative_error(guess, truth, one.std)
            if one.kind == "number"
            else share_right(guess, truth)
        )
    return quality


@torch.no_grad()
def _found_views(judge: Judge, seen: Sequence[np.ndarray]) -> float:
    rng = generator(SEED, "judge's quality")
    x = torch.from_numpy(judge.eye.look(seen))
    device = next(judge.network.parameters()).device
    views = torch.cat([view(x, rng), view(x, rng)]).to(device)
    z = judge.network.projected(judge.network.features(views))
    alike = (z @ z.T).fill_diagonal_(-2)
    other = torch.arange(len(z), device=device).roll(len(x))
    return float((alike.argmax(1) == other).double().mean())
