"""Trained models from Python: load them by name, sample into memory, measure."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .built import Built
from .chain import chain_of, modality_of_words
from .chosen_metrics import chosen_metrics
from .edit import edited
from .edit_job import EditRequest
from .evaluate import evaluate_chain
from .job import prepared
from .keywords import Values, editing_names, given, installed, sampling_names, texts
from .reference import Reference
from .reporter import SILENT, Reporter
from .request import Request
from .sample import Samples, draw

if TYPE_CHECKING:
    from .chain import Chain

OF_A_STAGE = "stage."
"""How the settings of one stage of several begin, followed by its name."""


class Model:
    """A trained model: a run, a model file, or stages of which each refines the output of the one
    before it.

    Attributes:
        words: the paths or names that were loaded.
        modality: the name of its kind of data.
    """

    def __init__(self, words: Sequence[str], reporter: Reporter = SILENT) -> None:
        self.words = tuple(words)
        self._reporter = reporter
        self.modality = modality_of_words(self.words, installed())

    def __repr__(self) -> str:
        return f"<{self.modality} model {', '.join(self.words)}>"

    def sample(
        self,
        n: int | None = None,
        *,
        cond: Mapping[str, Values] | None = None,
        negative: Mapping[str, Values] | None = None,
        seed: int = 0,
        start: int = 0,
        files: Sequence[str | Path] = (),
        level: float | None = None,
        until: str | None = None,
        ema: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> Samples:
        """New examples, in raw units and in memory; ``save`` of what is returned writes them to
        files.

        Args:
            n: how many; 16 unless given, or one for each of ``files``.
            cond: values by the names of conditions, such as ``{"class": ["cat", "dog"]}``;
                ``"all"`` means every label in turn. A condition that is not named is drawn as it
                occurs in the data. ``"A AND B"`` asks for both.
            negative: what samples shall not be, in the same form; guidance goes away from it.
            seed: names the samples: number i of a seed is always the same.
            start: number of the first sample.
            files: files or folders to refine, in place of an earlier stage's samples.
            level: noise on what is refined, in model units.
            until: of several stages, the last one to sample.
            ema: relative width of the average to sample from, made from the run's snapshots.
            settings: ``steps=20``, ``sampler="heun"``, ``guidance=2.0``, the modality's own such as
                a size, tables as dicts, or dotted keys; for one stage of several
                ``**{"stage.x2.sample.steps": 8}``.

        Raises:
            UsageError: the request does not fit the model.
            ConfigError: settings, all faults at once.
        """
        request = Request(
            n or Request.n,
            seed,
            start,
            device,
            precision,
            ema,
            texts(cond),
            given(settings, sampling_names(self.modality)),
            negative=texts(negative),
        )
        chain = self._chain(
            request, until=until, files=tuple(map(Path, files)), level=level, counted=n is not None
        )
        return draw(chain, installed(), self._reporter)

    def edit(
        self,
        edit: str,
        files: Sequence[str | Path],
        *,
        each: int | None = None,
        to: Mapping[str, Values] | None = None,
        cond: Mapping[str, Values] | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> Samples:
        """What an edit makes of files, in raw units and in memory.

        Args:
            edit: its name, such as ``"vary"``; ``difftool list edits`` lists them.
            files: files or folders of the model's kind of data. They are not changed.
            each: results for each file; as many as suit the edit unless given.
            to, cond: other conditions than the files' own.
            settings: of the edit (``strength=0.4``), of the modality's selection
                (``region="0:8,:"``), and as for ``sample``.

        Raises:
            UsageError: the request does not fit the model or the files.
            ConfigError: settings, all faults at once.
        """
        names, asked = editing_names(self.modality, edit), {**(cond or {}), **(to or {})}
        request = Request(1, seed, 0, device, precision, None, texts(asked), given(settings, names))
        ask = EditRequest(self.words[0], edit, tuple(map(Path, files)), each)
        return edited(ask, request, installed(), self._reporter)

    def open(
        self,
        *,
        ema: float | None = None,
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> Built:
        """The model with its weights in memory: to look into, and to sample many times without
        reading them again. Of several stages, the last one.

        Args:
            ema: relative width of the average, made from the run's snapshots.
            settings: as for ``sample``.
        """
        flags = given(settings, sampling_names(self.modality))
        chain = self._chain(Request(1, 0, 0, device, precision, ema, flags=flags), handing=True)
        return Built(prepared(chain.stages[-1], installed()), reporter=self._reporter)

    def evaluate(
        self,
        n: int = 256,
        *,
        against: str | Path | None = None,
        data: int = 5000,
        samples: str | Path | None = None,
        metrics: Sequence[str] | None = None,
        cond: Mapping[str, Values] | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
        **settings: Any,
    ) -> dict[str, Any]:
        """Measure new samples, or files, by the modality's metrics, beside the data itself.

        See ``difftool.evaluate``.
        """
        request = Request(
            n,
            seed,
            0,
            device,
            precision,
            None,
            texts(cond),
            given(settings, sampling_names(self.modality)),
        )
        chain = self._chain(request, handing=True)
        chosen = chosen_metrics(
            installed(), self.modality, ",".join(metrics) if metrics else None, request
        )
        folder, other = Path(samples) if samples else None, Path(against) if against else None
        return evaluate_chain(
            chain, installed(), self._reporter, seed, chosen, folder, Reference(other, data)
        )

    def _chain(self, request: Request, **asked: Any) -> Chain:
        flags = [flag for flag in request.flags if not flag[1].startswith(OF_A_STAGE)]
        single = [
            f"{key}={json.dumps(value)}"
            for _, key, value in request.flags
            if key.startswith(OF_A_STAGE)
        ]
        of_all = replace(request, words=self.words, flags=flags, sets=tuple(single), **asked)
        return chain_of(of_all, installed(), self._reporter)


def load(*paths: str | os.PathLike[str], reporter: Reporter = SILENT) -> Model:
    """A trained model, to sample from. Weights are read when it samples.

    Args:
        paths: a run's folder or its name in ``runs/``, a model file, a cascade's folder, or
            ``"latest"``; several in order, where each refines what the one before it made.
        reporter: gets all messages; ``difftool.Terminal()`` prints them.

    Raises:
        UsageError: there is no such model, or they do not fit together.
        ModelFileError: the file is damaged, foreign, or newer than this program.
    """
    return Model([os.fspath(path) for path in paths] or ["latest"], reporter)


def evaluate(
    model: Model | str | os.PathLike[str],
    n: int = 256,
    *,
    reporter: Reporter = SILENT,
    **options: Any,
) -> dict[str, Any]:
    """Measure samples of a model by the metrics of its modality, and by the same metrics a part of
    the data itself.

    Args:
        model: what ``load`` returned, or what it takes.
        n: samples to make.
        reporter: gets all messages, unless ``model`` is loaded already.
        options: as of ``Model.evaluate``: ``against``, other data than the training data; ``data``,
            how many examples of it at most; ``samples``, a folder to measure in place of new
            samples; ``metrics``, names; and everything that sampling takes.

    Returns:
        ``rows``, each with ``metric``, ``name``, ``samples`` and ``data``: numbers, or None;
        ``samples`` and ``data``, which say what was measured; ``missing``, why a metric is left
        out.
    """
    model = model if isinstance(model, Model) else load(model, reporter=reporter)
    return model.evaluate(n, **options)
