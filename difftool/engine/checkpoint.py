"""Checkpoints: the whole state of training in one file, written in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from ..errors import ModelFileError, NonFiniteLossError
from ..objective import Objective
from .ema import Ema
from .folder import ADAPTER_FILE, checkpoints
from .players import OWN, PlayerTraining
from .shard import fill, local
from .step import TrainStep
from .weights import ADAPTER, CHECKPOINT, MODEL, SNAPSHOT, load_weights, save_weights


def training_state(step: TrainStep) -> dict[str, Tensor]:
    """Every tensor that the next step depends on, by name.

    There is no state of random numbers to save: see ``difftool.rng``.
    """
    weights = step.weights()
    state = {f"model.{name}": tensor.detach() for name, tensor in weights.items()}
    for profile in step.ema.averages:
        state |= {
            f"ema.{profile}.{name}": tensor for name, tensor in step.ema.tensors(profile).items()
        }
    for player in step.players:
        state |= optimizer_state(_trained_parameters(weights, player), player.optimizer)
    if step.scaler.is_enabled():
        saved = step.scaler.state_dict()
        state |= {
            "scaler.scale": torch.tensor(saved["scale"]),
            "scaler.growth": torch.tensor(saved["_growth_tracker"]),
        }
    return state


def optimizer_state(
    parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """Every tensor of the optimizer's state, as ``optimizer.<entry>.<parameter>``."""
    return {
        f"optimizer.{what}.{name}": value
        for name, parameter in parameters.items()
        for what, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


@torch.no_grad()
def restore_optimizer(
    state: Mapping[str, Tensor], parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Restore the result of ``optimizer_state``, in the memory format of each parameter."""
    for key, tensor in state.items():
        if key.startswith("optimizer."):
            _, what, name = key.split(".", 2)
            if (parameter := parameters.get(name)) is None:
                continue
            alike = tensor.shape == parameter.shape and what != "step"
            if not alike:
                optimizer.state[parameter][what] = tensor.to(parameter.device, copy=True)
                continue
            value = torch.empty_like(parameter, memory_format=torch.preserve_format)
            fill(value, tensor)
            optimizer.state[parameter][what] = value


@torch.no_grad()
def require_finite(
    state: Mapping[str, Tensor], step: int, agree: Callable[[bool], bool] = bool
) -> None:
    """Refuse to save NaN or infinity: a finite loss may have had a gradient that was not finite.

    By the Euclidean norm, which is twenty times faster than the largest value on a CPU; what it overflows on is lost as well.

    Args:
        agree: True in every process if it is given True in one.
    """
    weights = [
        local(t)
        for name, t in state.items()
        if name.startswith(("model.", "ema.", "optimizer.")) and t.is_floating_point()
    ]
    lost = bool(weights) and not torch.stack(torch._foreach_norm(weights)).isfinite().all()
    if agree(lost):
        raise NonFiniteLossError(
            f"The weights became NaN or infinite by step {step}, and were not saved; what was saved before stands. Change the run's "
            'config.toml to a lower optimizer.lr, a smaller train.clip, or train.precision = "fp32", and resume it.'
        )


def with_scalars(
    state: Mapping[str, Tensor], step: TrainStep, shape: Sequence[int]
) -> dict[str, Tensor]:
    """The state with a shape, ``()`` in files and ``(1,)`` in shards, for what is one number."""
    starts = ["model.", *(f"ema.{profile}." for profile in step.ema.averages)]
    names = {start + name for start in starts for name in step.scalars}

    def is_one(name: str, tensor: Tensor) -> bool:
        _, what, last = name.split(".", 2) if name.startswith("optimizer.") else ("", "step", "")
        return name in names or (what != "step" and last in step.scalars)

    return {name: t.reshape(shape) if is_one(name, t) else t for name, t in state.items()}


@torch.no_grad()
def restore_state(state: Mapping[str, Tensor], step: TrainStep) -> None:
    """Restore a checkpoint bit for bit. Raises ModelFileError if it is of another network."""
    weights, state = step.weights(), with_scalars(state, step, (1,))
    for name, tensor in weights.items():
        fill(tensor, _take(state, f"model.{name}", tensor))
    for profile in step.ema.averages:
        for name, average in step.ema.tensors(profile).items():
            fill(average, _take(state, f"ema.{profile}.{name}", average))
    for player in step.players:
        restore_optimizer(state, _trained_parameters(weights, player), player.optimizer)
    if step.scaler.is_enabled() and "scaler.scale" in state:
        saved = {
            "scale": state["scaler.scale"].item(),
            "_growth_tracker": int(state["scaler.growth"]),
        }
        step.scaler.load_state_dict(step.scaler.state_dict() | saved)


def _trained_parameters(weights: Mapping[str, Tensor], player: PlayerTraining) -> dict[str, Tensor]:
    """The parameters that a player optimises, by name."""
    own = {id(p) for p in player.parameters}
    return {name: tensor for name, tensor in weights.items() if id(tensor) in own}


def _take(state: Mapping[str, Tensor], name: str, like: Tensor) -> Tensor:
    if name not in state or state[name].shape != like.shape:
        found = f"has shape {tuple(state[name].shape)}" if name in state else "is missing"
        raise ModelFileError(
            f"The checkpoint is of another network: {name} {found}, but {tuple(like.shape)} is needed. Restore the run's config.toml if it was edited."
        )
    return state[name]


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the header of a checkpoint. Raises ModelFileError."""
    return load_weights(path, CHECKPOINT)


class Saver:
    """Copies the state into its own buffers and writes them on a thread, one save at a time.

    Leaving its ``with`` block waits for the last save.

    Args:
        folder: the run's.
        keep: how many checkpoints stay; an older one goes only when a newer one is safe on disk.
        frozen: weights beside the network's that the model file holds too: they never change, and so no checkpoint does.
        objective: what is trained, which says what the model file holds; None for its tensors as they are.
    """

    def __init__(
        self,
        folder: Path,
        keep: int,
        frozen: Mapping[str, Tensor] | None = None,
        objective: Objective | None = None,
    ) -> None:
        self._folder, self._keep, self._frozen = folder, keep, dict(frozen or {})
        self._objective = objective
        self._buffers: dict[str, Tensor] = {}
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def save(
        self,
        step: int,
        state: Mapping[str, Tensor],
        ema: Ema,
        about: Mapping[str, Any],
        *,
        snapshot: bool = False,
    ) -> Path:
        """Start a save and return the path of the checkpoint.

        It blocks for the copy, and until an earlier save is written.
        """
        self.wait()
        self._copy(state)
        path = self._folder / "checkpoints" / f"{step:08d}.safetensors"
        profile = ema.profiles[0].name
        weights = {name: self._buffers[f"ema.{profile}.{name}"] for name in _of_model(ema)}
        live = (name.removeprefix("model.") for name in self._buffers if name.startswith("model."))
        others = {
            name: self._buffers[f"model.{name}"]
            for name in live
            if name not in weights and not name.startswith(OWN)
        }

        def write() -> (
            None
        ):  # the checkpoint last: after a kill, the resumed run writes the rest again
            if snapshot:
                save_weights(
                    self._folder / "snapshots" / path.name,
                    SNAPSHOT,
                    self._snapshot(ema),
                    {**about, "step": step},
                )
            save_weights(
                self._folder / "model.safetensors",
                MODEL,
                self._merged(weights | others) | self._frozen,
                {**about, "step": step, "ema": profile},
            )
            if (own := self._adapter(weights | others)) is not None:
                save_weights(self._folder / ADAPTER_FILE, ADAPTER, own, {**about, "step": step})
            save_weights(path, CHECKPOINT, self._buffers, {**about, "step": step})
            prune(path.parent, self._keep)

        self._thread = threading.Thread(target=self._guard, args=(write,), name="difftool-saver")
        self._thread.start()
        return path

    def _merged(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return dict(self._objective.merged(tensors)) if self._objective else tensors

    def _adapter(self, tensors: dict[str, Tensor]) -> Mapping[str, Tensor] | None:
        return self._objective.adapter(tensors) if self._objective else None

    def __enter__(self) -> Saver:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wait()

    def wait(self) -> None:
        """Wait until the save is on disk. Raises the error that it met."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except BaseException as error:  # raised by wait(), in the thread that asked
            self._error = error

    @torch.no_grad()
    def _copy(self, state: Mapping[str, Tensor]) -> None:
        if self._buffers.keys() != state.keys():
            self._buffers = {
                name: torch.empty(t.shape, dtype=t.dtype, pin_memory=t.is_cuda)
                for name, t in state.items()
            }
        for name, tensor in state.items():
            self._buffers[name].copy_(tensor, non_blocking=tensor.is_cuda)
        if any(t.is_cuda for t in state.values()):
            torch.cuda.synchronize()

    def _snapshot(self, ema: Ema) -> dict[str, Tensor]:
        """The power averages in half precision, as in the paper."""
        powers = [profile.name for profile in ema.profiles if profile.name.startswith("power-")]
        return {
            f"{profile}.{name}": self._buffers[f"ema.{profile}.{name}"].half()
            for profile in powers
            for name in _of_model(ema)
        }


def _of_model(ema: Ema) -> list[str]:
    """The averaged tensors that a model file holds."""
    return [name for name in ema.names if not name.startswith(OWN)]


def prune(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints."""
    for old in checkpoints(folder)[:-keep]:
        old.unlink(missing_ok=True)
