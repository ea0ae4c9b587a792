"""The device: its choice, precision and memory formats, and advice when its memory is full."""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import psutil
import torch

from .. import philox
from ..errors import DeviceError, Notice, is_out_of_memory
from ..nn import norm
from ..settings import TrainOptions

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """``auto`` is this process's CUDA device, else MPS, else the CPU.

    Raises DeviceError when a named device is not there.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", local_rank)
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name if name != "cuda" else f"cuda:{local_rank}")
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise DeviceError(
            f"The device {name!r} cannot be used here: {reason}. Use --device auto to take the "
            "best one there is."
        ) from None
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """``auto`` is bf16 where the device computes it natively, else fp32."""
    if name != "auto":
        return PRECISIONS[name]
    return torch.bfloat16 if _has_bf16(device) else torch.float32


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and _cpu_has_bf16()


@lru_cache(maxsize=1)
def _cpu_has_bf16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return any(
                "avx512_bf16" in line or "amx_bf16" in line
                for line in file
                if line.startswith("flags")
            )
    except OSError:
        return False


def is_on(choice: str, device: torch.device) -> bool:
    """Whether an option of ``auto``, ``on`` or ``off`` is on; ``auto`` is on with CUDA only."""
    return choice == "on" or (choice == "auto" and device.type == "cuda")


def prepare_process(device: torch.device) -> None:
    """Apply the settings of the process that every run needs."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
        use_kernels()
    keep_big_blocks()


@lru_cache(maxsize=1)
def use_kernels() -> None:
    """Normalise, and draw noise, with our Triton kernels on CUDA devices from here on.

    Not where Triton is missing, or where a kernel does not give what the plain formula gives.
    """
    try:
        from ..nn import fused_norm
        from . import noise_kernel
    except ImportError:  # PyTorch for some platforms comes without Triton
        return
    if _agrees("group normalisation", fused_norm.agrees_with_formula):
        norm.fused_norm = fused_norm.fused_norm
    if _agrees("random numbers", noise_kernel.agrees_with_formula):
        philox.kernel = noise_kernel.numbers


def _agrees(name: str, check: Callable[[], bool]) -> bool:
    """Whether a kernel gives what its formula gives; a warning says why it is not used."""
    try:
        agrees, reason = check(), "it differs from the formula"
    except Exception as error:  # whatever a compiler or a driver raises
        agrees, reason = False, f"it fails: {str(error).splitlines()[0]}"
    if not agrees:
        warnings.warn(
            f"The kernel of {name} is not used, so steps take longer: {reason}.",
            Notice,
            stacklevel=3,
        )
    return agrees


@lru_cache(maxsize=1)
def keep_big_blocks() -> None:
    """Tell glibc to keep big freed blocks: it hands each step's activations back to the system
    otherwise (up to 1.4x slower).

    A preloaded allocator knows better and is left alone.
    """
    if not sys.platform.startswith("linux") or "LD_PRELOAD" in os.environ:
        return
    mmap_threshold, trim_threshold = -3, -1
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, -1 & 0x7FFFFFFF)


def lay_channels_last(model: torch.nn.Module) -> None:
    """Kernels of 2-D and 3-D convolutions in the layout that tensor cores read; what they compute
    then follows.

    Kernels of one position too, for which the layouts differ only in name: gradients have these
    strides, and one kernel updates all parameters only when the strides agree.
    """
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in model.parameters():
        if parameter.ndim in formats:
            parameter.data = torch.empty_like(
                parameter, memory_format=formats[parameter.ndim]
            ).copy_(parameter.data)


def memory_in_use(device: torch.device) -> int:
    """Bytes held by this process: on the device where it has its own memory, else resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return psutil.Process().memory_info().rss


def memory_total(device: torch.device) -> int:
    """Bytes of memory of the device; of a CPU, those that this process may take."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return min([psutil.virtual_memory().total, *_memory_limits()])


def _memory_limits() -> Iterator[int]:
    """The limits of this process's container, and of its address space; none where there are none."""
    with suppress(OSError, ValueError):
        yield int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    with suppress(ImportError, OSError):
        import resource

        if (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) != resource.RLIM_INFINITY:
            yield limit


def memory_knobs(train: TrainOptions) -> list[str]:
    """Options with values that make a training step smaller."""
    parts = train.accumulate * 2
    knobs = (
        [f"--set train.accumulate={parts} (same batch and result, in {parts} parts)"]
        if train.batch % parts == 0
        else []
    )
    knobs += [f"--batch {train.batch // 2}"] if train.batch > 1 else []
    return knobs + (
        [] if train.checkpointing else ["--set train.checkpointing=true (a third slower)"]
    )


@contextmanager
def naming_memory_knobs(train: TrainOptions) -> Iterator[None]:
    """Turn an out-of-memory error into a DeviceError that names options and values to change."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceError(
            f"Out of memory at batch {train.batch} in {train.accumulate} part(s) of "
            f"{train.batch // train.accumulate}. Try one of: {'; '.join(memory_knobs(train))}. Everything "
            f"saved before is kept. ({_reason(error)})"
        ) from error


@contextmanager
def naming_batch(count: int) -> Iterator[None]:
    """Turn an out-of-memory error while so many samples are made into a DeviceError with the option
    to change.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        fix = (
            f"Use --batch {count // 2}, which makes the same samples"
            if count > 1
            else "Ask for smaller samples, or use --tile with a model that refines"
        )
        raise DeviceError(
            f"Out of memory with {count:,} sample{'s' * (count > 1)} at once. {fix}. Samples that "
            f"are written already stay. ({_reason(error)})"
        ) from error


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
