"""A trained model learns a little more, from a few examples: LoRA, the last layer, or all weights."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config import Config, dict_layer, flag_layer, resolve
from ..engine.folder import ADAPTER_FILE
from ..errors import UsageError
from ..files import unused
from ..names import path_text
from ..plugin.registry import Registry
from .keywords import given, installed, training_names
from .model import ModelFile, model_path
from .naming import data_path, refuse_used
from .reporter import SILENT, Reporter
from .run import Run, Training
from .train import new_run

METHODS = ("lora", "full", "head", "control")

STEPS, BATCH = 300, 16
"""Steps and examples of a step unless the user says: a few examples are learnt in minutes."""

RATES = {"lora": 2e-2, "full": 2e-4, "head": 1e-3, "control": 1e-3}
"""Learning rate of AdamW by method: what is added starts at zero, all weights start trained. That of
``lora`` is high because ``objective.prior`` holds the rest: both were chosen together by measurement
(``docs/adapters.md``).
"""

FREE = 0.1
"""Share of the rate of ``lora`` for a model without conditions, of which nothing can be held."""

DECAY = 0.01
"""Weight decay of what is added: the model is drawn back to where it started."""

KEPT = ("modality", "representation", "backbone", "process", "density", "weighting", "schedule",
        "conditions", "bridge", "sampler", "guidance", "guidances", "sample")  # fmt: skip
"""Tables that a fine-tuned model has from the one that it started from."""


@dataclass(frozen=True)
class Finetuning:
    """What is asked for.

    Attributes:
        base: the run, its folder or name, or a model file.
        data: a folder or a file of examples.
        flags, sets: settings that win over all others, as ``flag_layer`` takes them.
    """

    base: str
    data: str
    method: str = "lora"
    flags: Sequence[tuple[str, str, Any]] = ()
    sets: Sequence[str] = ()

    def config(self, parts: Registry) -> Config:
        """The configuration of the run.

        Raises:
            UsageError: the model cannot be fine-tuned.
            ConfigError: settings, all faults at once.
        """
        path = model_path(self.base)
        model = ModelFile.read(path)
        own = model.config(parts)
        objective = parts.load(parts.get("objective", own.objective.use))
        if own.objective.use == "control":
            raise UsageError(
                f"{path} has a control branch. Fine-tune the model that it was trained on, "
                f"{own.objective.options.model_dump()['base']}."
            )
        if objective.two_outputs:
            raise UsageError(
                f"{path} has learned variances (objective {own.objective.use}). Fine-tune a model "
                "that was trained by denoising alone: what is added learns that loss."
            )
        if not objective.generative:
            raise UsageError(
                f"{path} has no denoiser. Fine-tune a model that makes samples: its network is "
                "what learns."
            )
        kept = {name: table for name, table in model.tables.items() if name in KEPT}
        train = model.tables.get("train", {})
        changes = {
            **kept,
            "data": {"path": str(data_path(self.data))},
            "objective": {
                "base": path_text(path.absolute()),
                **(
                    {"use": "control"}
                    if self.method == "control"
                    else {"use": "finetune", "method": self.method}
                ),
            },
            "optimizer": {
                "use": "adamw",
                "lr": self._rate(held=bool(model.tables.get("conditions"))),
                "weight_decay": DECAY,
                "warmup": BATCH * STEPS // 20,
                "decay": "cosine",
            },
            "ema": {"halflife": [BATCH * STEPS / 20], "power": [], "snapshot_every": 0},
            "train": {
                "steps": STEPS,
                "batch": BATCH,
                "save_every": STEPS,
                # a preview has no map to follow
                **({"preview": 0} if self.method == "control" else {}),
                "self_conditioning": train.get("self_conditioning", False),
                "drop_all": train.get("drop_all", 0.0),
            },
        }
        asked = flag_layer(self.flags, self.sets)
        return resolve(None, [dict_layer(changes, f"fine-tuning of {path}"), asked], parts)

    def _rate(self, held: bool) -> float:
        rate = RATES[self.method]
        return rate if held or self.method != "lora" else FREE * rate

    def run(self) -> Path:
        """``RUN-finetuned``, or ``RUN-finetuned-2`` … when that is taken."""
        path = model_path(self.base).absolute()
        place = path.parent if path.name == "model.safetensors" else path.with_suffix("")
        return unused(place.with_name(f"{place.name}-finetuned"))


def finetune(
    run: str | os.PathLike[str],
    data: str | Path,
    *,
    method: str = "lora",
    to: str | Path | None = None,
    reporter: Reporter = SILENT,
    **settings: Any,
) -> Run:
    """Teach a trained model a little more, from a few examples; the result is an ordinary run.

    more = difftool.finetune("runs/letters", "ten_ks")
    samples = more.model.sample(8, cond={"class": "K"})

    Args:
        run: the run, its folder or its name in ``runs/``, or a model file. It does not change.
        data: a folder or a file, such as one of ten pictures; new labels and words are learnt.
        method: ``"lora"``, ``"full"`` or ``"head"``.
        to: the new run's folder; ``RUN-finetuned`` unless given.
        reporter: gets all messages.
        settings: as of ``train``, and ``objective={"rank": 4}``.

    Raises:
        UsageError: the model cannot be fine-tuned.
        ConfigError: settings, all faults at once.
    """
    asked = Finetuning(os.fspath(run), str(data), method)
    modality = asked.config(installed()).modality.use
    asked = replace(asked, flags=given(settings, training_names(modality)))
    config = asked.config(installed())
    refuse_used(Path(to) if to is not None else None)
    path = Path(to) if to is not None else asked.run()
    return Training(path, lambda: new_run(config, installed(), path, reporter)).finish()


def adapter_text(run: Path) -> str:
    """What a finished run says of its adapter file; empty where it has none."""
    from ..engine.weights import ADAPTER, MODEL, load_weights

    file = run / ADAPTER_FILE
    if not file.is_file():
        return ""
    own, _ = load_weights(file, ADAPTER)
    whole, _ = load_weights(run / "model.safetensors", MODEL)
    count, total = (sum(t.numel() for t in one.values()) for one in (own, whole))
    return (
        f"{file}: {count:,} numbers, {count / total:.1%} of the model's. Use it with the model "
        f"that it was trained on: --adapter {file}"
    )
