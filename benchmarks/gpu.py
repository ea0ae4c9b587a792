"""Everything that only a CUDA GPU can show: checks of its code paths, then training and sampling speed against peers and the roofline.

    python benchmarks/gpu.py [--checks] [--quick] [--smoke]

Needs a CUDA GPU (exit code 2 without one) and no network. --checks makes the checks alone; --quick measures at one batch
size. JSON on stdout; exit code 1 when a check fails. denoising-diffusion-pytorch and diffusers are measured where they are
installed (``pip install ".[benchmark]"``). --smoke runs on a CPU what can run there, at tiny sizes, and names the rest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from common import Work, arguments, emit
from torch import Tensor, nn
from train_step import DENOISING_DIFFUSION_PYTORCH, DIFFUSERS

from difftool.assemble import build_stage, make_bridge, make_modality
from difftool.batch import Batch
from difftool.conditioners.columns import LabelColumn, NumberColumn
from difftool.config import gather, resolve
from difftool.description import Description
from difftool.engine.capture import Captured
from difftool.engine.checkpoint import Saver, load_checkpoint, restore_state, training_state
from difftool.engine.fit import make_step
from difftool.engine.folder import RunFolder
from difftool.engine.generate import SampleRequest, generate
from difftool.engine.preview import preview
from difftool.engine.step import TrainStep
from difftool.expert import Expert
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.nn.backbone import Signals
from difftool.plugin.registry import Registry
from difftool.rng import Stream
from difftool.stage import Stage

CUDA = torch.cuda.is_available()
DEVICE = torch.device("cuda", 0) if CUDA else torch.device("cpu")
SHAPE = (3, 32, 32)
KNOWN_PEAKS = {"H200": 790e12}
"""Attainable bf16 FLOP/s by a part of the card's name; on other cards a matrix product is timed."""

TINY = [
    "backbone.channels=32",
    "backbone.multipliers=[1,2]",
    "backbone.blocks=1",
    "backbone.dropout=0.1",
    "modality.augment=0.5",
    "optimizer.warmup=0",
]
CONDITIONS = {
    "class": LabelColumn("class", names=("a", "b"), counts=(1, 1)),
    "age": NumberColumn("age", low=0.0, high=1.0, mean=0.5, std=0.3),
}

Facts = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        batches: of training; recipes: that are trained; seconds: that a measurement takes, about.
        rounds: of which the median is taken; samples: drawn at once; steps: of sampling, with one evaluation each.
    """

    recipes: tuple[str, ...] = ("small", "cifar-edm")
    batches: tuple[int, ...] = (16, 128, 512)
    samples: int = 64
    steps: int = 25
    seconds: float = 3.0
    rounds: int = 5
    compiled: bool = True
    peers: bool = True


SCALE = Scale()
SMOKE = Scale(
    ("tiny",), (2,), samples=2, steps=2, seconds=0.0, rounds=1, compiled=False, peers=False
)


# --- building ----------------------------------------------------------------------------------------------------------------------------


def make_stage(
    registry: Registry, recipe: str, sets: list[str], conditional: bool = False
) -> Stage:
    """A recipe's stage at 32 px, freshly initialised; conditional: on a label and a number."""
    given = (
        [f'conditions.{name}.use="{c.kind}"' for name, c in CONDITIONS.items()]
        if conditional
        else []
    )
    fixed = ["modality.size=32", 'modality.channels="rgb"', "train.preview=4", *given]
    config = resolve(
        "image", gather(registry, "image", recipe, sets=[*fixed, *sets], project=None), registry
    )
    modality = make_modality(config, registry)
    shape, extra, own = modality.describe(np.array([[3, 32, 32]]))
    conditions = {**(CONDITIONS if conditional else {}), **{c.name: c for c in own}}
    description = Description(shape, "uint8", 1000, conditions, extra)
    bridge = make_bridge(config, registry, description)
    shown = {c.name: c for c in bridge.conditions()} if bridge else {}
    return build_stage(
        config, registry, replace(description, conditions={**conditions, **shown}), DEVICE, modality
    )


def training(stage: Stage, mode: str | None = None) -> TrainStep:
    """The engine's own step. ``mode``: compile the network in this mode of torch.compile rather than as the engine does."""
    torch._dynamo.reset()
    step = make_step(stage, stage.settings.train)
    if mode:
        stage.denoiser.backbone.compile(mode=mode)
    return step


def pinned(tensor: Tensor) -> Tensor:
    """In pinned memory, where there is a device to copy it to."""
    return tensor.pin_memory() if CUDA else tensor


def synchronize() -> None:
    if CUDA:
        torch.cuda.synchronize()


def raw_batch(stage: Stage, size: int) -> Batch:
    """Random bytes in pinned memory, as the loader makes them, with values of the conditions that come from data."""
    g = torch.Generator().manual_seed(0)
    values = {"class": torch.randint(2, (size,), generator=g), "age": torch.rand(size, generator=g)}
    cond = {
        name: pinned(value) for name, value in values.items() if name in stage.denoiser.conditioners
    }
    return Batch(pinned(torch.randint(256, (size, *SHAPE), dtype=torch.uint8, generator=g)), cond)


def tiny(registry: Registry, *sets: str, conditional: bool = True) -> tuple[TrainStep, Batch]:
    """A step of a small network with everything random switched on, and its data; the same weights whatever ``sets``."""
    chosen = ['train.compile="off"', "train.batch=16", *TINY, *sets]
    stage = make_stage(registry, "tiny", chosen, conditional)
    shake(stage.denoiser)
    return training(stage), raw_batch(stage, 16)


# --- checks: each returns what it found, or raises ----------------------------------------------------------------------------------------


def require(condition: bool, reason: str) -> None:
    if not condition:
        raise AssertionError(reason)


def losses(step: TrainStep, raw: Batch, first: int, last: int) -> list[float]:
    return torch.stack([step(i, raw)["denoiser"] for i in range(first, last)]).tolist()


def relative(a: Tensor, b: Tensor) -> float:
    return ((a.float() - b.float()).norm() / b.float().norm().clamp_min(1e-12)).item()


@contextmanager
def no_waiting() -> Iterator[None]:
    """Whatever waits for the device inside the block is a RuntimeError."""
    synchronize()
    if CUDA:
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if CUDA:
            torch.cuda.set_sync_debug_mode("default")


def check_precisions(registry: Registry) -> Facts:
    """bf16 (chosen by itself) and fp16 train, with losses near those of fp32."""
    found = {}
    for precision in ("fp32", "auto", "fp16"):
        step, raw = tiny(registry, f'train.precision="{precision}"')
        found[str(step.precision).removeprefix("torch.")] = losses(step, raw, 0, 8)
        if precision == "auto":
            wanted = torch.cuda.is_bf16_supported(including_emulation=False)
            require((step.precision == torch.bfloat16) == wanted, f"auto chose {step.precision}")
    for name, values in found.items():
        worst = max(abs(a - b) / b for a, b in zip(values, found["float32"], strict=True))
        require(worst < 0.1, f"the losses of {name} are {worst:.1%} from those of fp32: {values}")
    return {"losses": {name: [round(v, 4) for v in values] for name, values in found.items()}}


def check_channels_last(registry: Registry) -> Facts:
    """Kernels and averages lie channels-last, and the result is that of the contiguous network."""
    plain, raw = tiny(registry, 'train.channels_last="off"', 'train.precision="fp32"')
    laid, _ = tiny(registry, 'train.precision="fp32"')
    kernels = [p for p in laid.objective.parameters() if p.ndim == 4 and min(p.shape[1:]) > 1]
    averages = [
        a
        for values in laid.ema.averages.values()
        for a in values
        if a.ndim == 4 and min(a.shape[1:]) > 1
    ]
    require(
        all(t.is_contiguous(memory_format=torch.channels_last) for t in [*kernels, *averages]),
        "some kernels are not channels-last",
    )
    a, b = losses(laid, raw, 0, 4), losses(plain, raw, 0, 4)
    require(
        max(abs(x - y) / y for x, y in zip(a, b, strict=True)) < 0.02, f"losses differ: {a} and {b}"
    )
    return {"kernels": len(kernels)}


def check_optimizer(registry: Registry) -> Facts:
    """AdamW is fused, all of its state is on the device, and it does what the unfused one does."""
    step, raw = tiny(registry, 'train.precision="fp32"')
    losses(step, raw, 0, 2)
    require(
        all(group["fused"] for group in step.players[0].optimizer.param_groups),
        "the optimizer is not fused",
    )
    require(
        all(t.is_cuda for s in step.players[0].optimizer.state.values() for t in s.values()),
        "some of the optimizer's state is on the CPU",
    )
    fused = [nn.Parameter(p.detach().clone()) for p in step.objective.parameters()]
    plain = [nn.Parameter(p.detach().clone()) for p in fused]
    for a, b in zip(fused, plain, strict=True):
        a.grad = torch.randn_like(a)
        b.grad = a.grad.clone()
    torch.optim.AdamW(fused, lr=1e-3, fused=True).step()
    torch.optim.AdamW(plain, lr=1e-3, fused=False, foreach=False).step()
    worst = max(relative(a, b) for a, b in zip(fused, plain, strict=True) if b.norm() > 0)
    require(worst < 1e-4, f"fused and plain AdamW differ by {worst:.1e}")
    return {"largest_difference": worst}


def check_compile(registry: Registry) -> Facts:
    """The network compiles in one graph, its losses are those of the plain one, and a preview between steps compiles nothing."""
    from torch._dynamo.utils import counters

    plain, raw = tiny(registry, "backbone.dropout=0.0")
    expected = losses(plain, raw, 0, 4)
    counters.clear()
    step, raw = tiny(registry, "backbone.dropout=0.0", 'train.compile="on"')
    found = losses(step, raw, 0, 4)
    graphs, breaks = counters["stats"]["unique_graphs"], dict(counters["graph_break"])
    require(
        graphs >= 1,
        "nothing was compiled: torch.compile fell back to the plain network (is triton installed?)",
    )
    require(not breaks, f"the graph breaks: {breaks}")
    with TemporaryDirectory() as folder:
        preview(
            step, cast(Any, None), RunFolder(Path(folder)), 4
        )  # from noise alone: the data is not looked at
    losses(step, raw, 4, 6)
    again = counters["stats"]["unique_graphs"]
    require(again == graphs, f"{again - graphs} more graphs were compiled by a preview or after it")
    require(
        max(abs(a - b) / b for a, b in zip(found, expected, strict=True)) < 0.03,
        f"losses differ: {found} and {expected}",
    )
    return {"graphs": graphs}


def check_no_waiting(registry: Registry) -> Facts:
    """After warm-up no step waits for the device: augmentation, label, number, dropout, accumulation, clipping, loss scaling, averages."""
    cases = {
        "bf16": [],
        "fp16": ['train.precision="fp16"'],
        "accumulated": ["train.accumulate=2"],
        "checkpointed": ["train.checkpointing=true"],
        "compiled": ['train.compile="on"'],
        "eps row, linear schedule": [
            'process.use="eps"',
            'density.use="uniform"',
            'weighting.use="uniform"',
            'schedule.use="linear"',
        ],
        "flow row": ['process.use="flow"', 'schedule.use="flow"', 'weighting.use="uniform"'],
    }
    for name, sets in cases.items():
        step, raw = tiny(registry, *sets)
        require_no_waiting(name, step, raw)
    return {"cases": list(cases)}


def require_no_waiting(name: str, step: TrainStep, raw: Batch) -> None:
    losses(step, raw, 0, 3)
    try:
        with no_waiting():
            for i in range(3, 6):
                step(i, raw)
    except RuntimeError as error:
        where = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "difftool" in frame.filename
        ][-1]
        raise AssertionError(
            f"{name}: {Path(where.filename).name}:{where.lineno} waits ({str(error).splitlines()[0]})"
        ) from error


SOUND = {"waveform": 0, "stft": 3, "spectrogram": None}
"""Representations of sound, and by how many steps of 16 bits a round trip on the device may differ from one on a CPU; None: not at all near,
since its phases are found by iteration."""


def check_sound(registry: Registry) -> Facts:
    """Sound of several lengths: encoded on the device as on a CPU, trained on without waiting, and sampled at another length."""
    if "audio" not in registry.names("modality"):
        return {"left out": "difftool-audio is not installed"}
    from difftool_audio.options import AudioRequest

    found = {}
    for name, tolerance in SOUND.items():
        stage = sound_stage(registry, name)
        raw, on = sounds(8), stage.representation
        there = raw.map(lambda t: t.to(DEVICE))
        found[name] = relative(on.encode(there).x.cpu(), on.encode(raw).x)
        require(
            found[name] < 1e-3, f"{name}: encoded on the device it differs by {found[name]:.1e}"
        )
        if tolerance is not None:
            back = on.decode(on.encode(there)).x.cpu().int()[..., : raw.x.shape[-1]]
            worst = int((back - raw.x.int()).abs().max())
            require(
                worst <= tolerance, f"{name}: a round trip on the device is off by {worst} of 32768"
            )
        require_no_waiting(name, training(stage), raw.map(pinned))
        made = list(generate(stage, SampleRequest(n=3, steps=4, shape=AudioRequest(seconds=0.3))))
        require(
            {one.example.shape for one in made} == {(1, 2400)},
            f"{name}: samples are {made[0].example.shape}, not of 2400 samples",
        )
    return {"encoding differs by": found}


def sound_stage(registry: Registry, representation: str) -> Stage:
    """A small network on half a second at 8 kHz."""
    use, sets = (
        f"audio/{representation}",
        ["backbone.channels=16", "train.batch=8", "modality.rate=8000", "modality.seconds=0.5"],
    )
    mels = ["representation.mels=40"] if representation == "spectrogram" else []
    config = resolve(
        use, gather(registry, use, "tiny", sets=[*sets, *mels], project=None), registry
    )
    modality = make_modality(config, registry)
    shape, extra, _ = modality.describe(np.array([[1, 2000], [1, 9000]]))
    return build_stage(
        config, registry, Description(shape, "int16", 1000, {}, extra), DEVICE, modality
    )


def sounds(n: int) -> Batch:
    """Noise, the first of 4000 samples and each after it 300 shorter."""
    g = torch.Generator().manual_seed(0)
    mask = torch.arange(4000) < (4000 - 300 * torch.arange(n))[:, None, None]
    x = torch.randint(-9000, 9000, (n, 1, 4000), dtype=torch.int16, generator=g) * mask
    return Batch(x, mask=mask)


def check_clips(registry: Registry) -> Facts:
    """Clips of several lengths, with frames given: the network as on a CPU, trained without waiting, and sampled at another length."""
    if "video" not in registry.names("modality"):
        return {"left out": "difftool-video is not installed"}
    from difftool_video.options import VideoRequest

    stage = clip_stage(registry)
    shake(stage.denoiser)
    raw = stage.modality.collate(random_clips(8), Stream(0, "check"))
    batch, sigma = stage.representation.encode(raw), torch.linspace(0.1, 10, 8)
    with torch.no_grad():
        there = batch.map(lambda t: t.to(DEVICE))
        on_device = stage.denoiser(there.x, sigma.to(DEVICE), there.cond, there.mask).cpu()
        plain = stage.denoiser.cpu()(batch.x, sigma, batch.cond, batch.mask)
    stage.denoiser.to(DEVICE)
    gap = relative(on_device * batch.mask, plain * batch.mask)
    require(gap < 1e-2, f"on the device the network differs by {gap:.1e}")
    require_no_waiting("clips", training(stage), raw.map(pinned))
    made = list(generate(stage, SampleRequest(n=3, steps=4, shape=VideoRequest(frames=11))))
    require(
        {one.example.shape for one in made} == {(11, 3, 16, 16)},
        f"samples are {made[0].example.shape}, not of 11 frames",
    )
    return {"network differs by": gap}


def clip_stage(registry: Registry) -> Stage:
    """A small network over space and time, on clips of six frames of 16 pixels, of half of which some frames are given."""
    sets = [
        "backbone.channels=32",
        "backbone.multipliers=[1,2]",
        "train.batch=8",
        'train.precision="fp32"',
    ]
    sets += [
        "modality.size=16",
        'modality.channels="rgb"',
        "modality.frames=6",
        "modality.fps=8",
        'modality.given="ends"',
    ]
    config = resolve("video", gather(registry, "video", "tiny", sets=sets, project=None), registry)
    modality = make_modality(config, registry)
    shape, extra, own = modality.describe(np.array([[3, 3, 16, 16], [9, 3, 16, 16]]))
    return build_stage(
        config,
        registry,
        Description(shape, "uint8", 1000, {c.name: c for c in own}, extra),
        DEVICE,
        modality,
    )


def random_clips(n: int) -> list[np.ndarray]:
    """Bytes, of 2 to 9 frames."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (2 + i, 3, 16, 16), np.uint8) for i in range(n)]


def check_capture(registry: Registry) -> Facts:
    """Sampling replays a recorded graph, which gives what the plain network gives, for a full and a partial batch."""
    step, _ = tiny(registry)
    denoiser = step.stage.denoiser.eval()
    graphs, worst = Captured(denoiser), 0.0
    with torch.inference_mode():
        for size in (8, 3, 8):
            for sigma in (10.0, 0.5):
                x = torch.randn(size, *SHAPE, device=DEVICE) * sigma
                cond = {name: _values(name, size) for name in denoiser.conditioners}
                level = x.new_full((size,), sigma)
                worst = max(
                    worst,
                    relative(graphs(x, level, denoiser.signals(cond)), denoiser(x, level, cond)),
                )
    recorded = sum(one is not None for one in graphs._recordings.values())
    require(
        recorded == 2,
        f"{recorded} graphs were recorded for 2 shapes: the network fell back to running as it is",
    )
    require(worst < 1e-3, f"replayed and plain evaluations differ by {worst:.1e}")
    return {"largest_difference": worst}


def check_sampling(registry: Registry) -> Facts:
    """Guided samples on captured graphs do not depend on the batch, up to rounding."""
    step, _ = tiny(registry)
    guidance = ClassifierFree(GuidanceOptions(scale=2.0, low=0.05, high=5.0))
    together, apart = (
        [
            one.example
            for one in generate(
                step.stage, SampleRequest(n=6, steps=8, batch=batch, guidance=guidance)
            )
        ]
        for batch in (6, 4)
    )
    gaps = [
        float(abs(a.astype(int) - b.astype(int)).mean())
        for a, b in zip(together, apart, strict=True)
    ]
    require(max(gaps) < 2, f"samples differ by {gaps} levels on average between batches of 6 and 4")
    return {"largest_mean_difference_in_levels": max(gaps)}


def check_cascade(registry: Registry) -> Facts:
    """A stage that refines, in tiles and with an expert, on recorded graphs: the samples that the plain networks make."""
    stage, expert = refining_stage(registry), refining_stage(registry)
    for one in (stage, expert):
        shake(one.denoiser)
    stage = replace(stage, experts=(Expert(0.5, expert.denoiser, expert.process.density),))
    low = list(np.random.default_rng(0).integers(0, 256, (5, 3, 16, 16), np.uint8))
    request = SampleRequest(n=5, steps=8, batch=3, low=low, level=0.1, tile=(24, 24))
    recorded = [one.example for one in generate(stage, request)]
    with patch("difftool.engine.generate.captured", nullcontext):
        plain = [one.example for one in generate(stage, request)]
    gaps = [
        float(abs(a.astype(int) - b.astype(int)).mean())
        for a, b in zip(recorded, plain, strict=True)
    ]
    require(
        max(gaps) < 2,
        f"samples differ by {gaps} levels on average with and without recorded graphs",
    )
    require_no_waiting("a later stage", training(stage), raw_batch(stage, 16))
    return {"largest_mean_difference_in_levels": max(gaps)}


def refining_stage(registry: Registry) -> Stage:
    """A small later stage of a cascade: 32 px from 16, with noise on what it is shown."""
    sets = [
        'bridge.use="resample"',
        "bridge.factors=[1,2,2]",
        "bridge.max_aug_level=0.3",
        "bridge.residual=true",
        'train.compile="off"',
    ]
    return make_stage(registry, "tiny", [*TINY, *sets, "train.batch=16", "modality.augment=0"])


def check_resume(registry: Registry) -> Facts:
    """Six steps, and three steps saved and resumed for three: the same weights, averages and moments up to the order of sums."""
    sets = ('train.precision="fp32"', "train.batch=16")
    whole, raw = tiny(registry, *sets)
    losses(whole, raw, 0, 6)
    first, _ = tiny(registry, *sets)
    losses(first, raw, 0, 3)
    about = {"config": dict(first.stage.config), "description": first.stage.description.to_json()}
    with TemporaryDirectory() as folder:
        saver = Saver(Path(folder), keep=1)
        path = saver.save(3, training_state(first), first.ema, about)
        saver.wait()
        state, _about = load_checkpoint(path)
    second, _ = tiny(registry, *sets)
    restore_state(state, second)
    kept = training_state(second)
    for name, tensor in state.items():
        require(torch.equal(tensor, kept[name].cpu()), f"{name} is not what was saved")
    losses(second, raw, 3, 6)
    ours, theirs = (training_state(s) for s in (whole, second))
    floats = [name for name in ours if name.startswith(("model.", "ema."))]
    worst = max(relative(theirs[name], ours[name]) for name in floats if ours[name].norm() > 1e-3)
    require(worst < 1e-2, f"weights differ by {worst:.1e} after resuming")
    return {
        "largest_difference": worst,
        "bit_identical": all(torch.equal(theirs[n], ours[n]) for n in ours),
    }


def check_data_parallel(registry: Registry) -> Facts:
    """The compiled step in a data-parallel wrapper over NCCL (one process): the same losses, and no waiting."""
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    sets = ("backbone.dropout=0.0", 'train.compile="on"')
    plain, raw = tiny(registry, *sets)
    expected = losses(plain, raw, 0, 4)
    step, _ = tiny(registry, *sets)
    with TemporaryDirectory() as folder:
        dist.init_process_group(
            "cpu:gloo,cuda:nccl", init_method=f"file://{folder}/store", rank=0, world_size=1
        )
        try:
            player = step.players[0]
            player.loss = DistributedDataParallel(
                player.loss, device_ids=[DEVICE], gradient_as_bucket_view=True
            )
            found = losses(step, raw, 0, 4)
            with no_waiting():
                step(4, raw)
        finally:
            dist.destroy_process_group()
    require(
        max(abs(a - b) / b for a, b in zip(found, expected, strict=True)) < 0.03,
        f"losses differ: {found} and {expected}",
    )
    return {
        "devices_here": torch.cuda.device_count(),
        "note": "exchange between devices is not checked here",
    }


CHECKS = (
    check_precisions,
    check_channels_last,
    check_optimizer,
    check_compile,
    check_no_waiting,
    check_sound,
    check_clips,
    check_capture,
    check_sampling,
    check_cascade,
    check_resume,
    check_data_parallel,
)
ON_A_CPU = (check_sampling, check_resume)
"""Those that --smoke runs where there is no GPU."""


def shake(model: nn.Module) -> None:
    """Move every weight a little: the layers that start at zero would hide what they do."""
    g = torch.Generator(DEVICE).manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=g, device=DEVICE), alpha=0.02)


def _values(name: str, size: int) -> Tensor:
    if name == "class":
        return torch.arange(size, device=DEVICE) % 2
    return torch.rand(size, device=DEVICE) if name == "age" else torch.zeros(size, 9, device=DEVICE)


def run_checks(registry: Registry) -> dict[str, Facts]:
    results: dict[str, Facts] = {}
    for check in CHECKS:
        name, start = check.__name__.removeprefix("check_"), time.perf_counter()
        if not CUDA and check not in ON_A_CPU:
            results[name] = {"skipped": "it needs a CUDA GPU, or more time than --smoke takes"}
            continue
        try:
            results[name] = {"passed": True, **check(registry)}
        except Exception as error:  # a check that breaks is a check that fails, and the others still tell something
            results[name] = {"passed": False, "reason": f"{type(error).__name__}: {error}"}
            traceback.print_exc()
        results[name]["seconds"] = round(time.perf_counter() - start, 1)
        print(
            f"{name}: {'pass' if results[name]['passed'] else 'FAIL ' + results[name]['reason']}",
            file=sys.stderr,
        )
    return results


# --- speed -------------------------------------------------------------------------------------------------------------------------------


def timed(work: Work, share: float = 1.0, warm: int = 5) -> float:
    """Median seconds of a piece of work, over some that together take about this share of the scale's seconds."""
    for _ in range(min(warm, SCALE.rounds)):
        work()
    synchronize()
    start = time.perf_counter()
    work()
    synchronize()
    each = max(
        1, int(share * SCALE.seconds / SCALE.rounds / max(time.perf_counter() - start, 1e-6))
    )
    rounds = []
    for _ in range(SCALE.rounds):
        start = time.perf_counter()
        for _ in range(each):
            work()
        synchronize()  # once a round: the host runs ahead, as it does in training
        rounds.append((time.perf_counter() - start) / each)
    return statistics.median(rounds)


def peak_flops() -> float:
    """bf16 FLOP/s that this card attains."""
    name = torch.cuda.get_device_name() if CUDA else ""
    if known := next((value for part, value in KNOWN_PEAKS.items() if part in name), None):
        return known
    n = 8192 if CUDA else 256
    a, b = (torch.randn(n, n, device=DEVICE, dtype=torch.bfloat16) for _ in range(2))
    return 2 * n**3 / timed(lambda: a @ b, 1 / 3)


def flops_of_forward(stage: Stage) -> float:
    """Of one example."""
    from torch.utils.flop_counter import FlopCounterMode

    x = torch.randn(2, *SHAPE, device=DEVICE)
    cond = {name: _values(name, 2) for name in stage.denoiser.conditioners}
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        stage.denoiser(x, x.new_ones(2), cond)
    return counter.get_total_flops() / 2


def measure_training(registry: Registry, recipe: str, batch: int, how: str, peak: float) -> Facts:
    """``how``: eager, compiled (as the engine does it), or reduce-overhead (a mode of torch.compile that records graphs)."""
    compiled = "on" if how == "compiled" else "off"
    stage = make_stage(
        registry,
        recipe,
        [f"train.batch={batch}", f'train.compile="{compiled}"', "train.steps=1_000_000"],
    )
    flops = 3 * flops_of_forward(stage)
    step = training(stage, mode=how if how == "reduce-overhead" else None)
    raw, count = raw_batch(stage, batch), iter(range(10**9))
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    step(next(count), raw)
    synchronize()
    first = time.perf_counter() - start
    seconds = timed(lambda: step(next(count), raw))
    return {
        "recipe": recipe,
        "batch": batch,
        "how": how,
        "parameters": sum(p.numel() for p in step.objective.parameters()),
        "images_per_second": round(batch / seconds, 1),
        "ms_per_step": round(1000 * seconds, 3),
        "gflop_per_image": round(flops / 1e9, 2),
        "roofline_images_per_second": round(peak / flops),
        "ratio_to_roofline": round(flops * batch / seconds / peak, 3),
        "peak_memory_mb": round(torch.cuda.max_memory_allocated() / 1e6) if CUDA else None,
        "first_step_s": round(first, 1),
    }


def peer_step(model: nn.Module, loss: Callable[[], Tensor]) -> Work:
    """What the engine's step does, around a peer's network and loss: bf16, clipping, fused AdamW, foreach average, channels-last."""
    parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    averages = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.AdamW(parameters, lr=2e-4, weight_decay=0.0, fused=True)

    def step() -> None:
        with torch.autocast(DEVICE.type, torch.bfloat16):
            value = loss()
        value.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0, foreach=True)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(averages, parameters, 0.001)

    return step


def denoising_diffusion_pytorch(batch: int, compiled: bool) -> tuple[nn.Module, Work, Work]:
    """Its network, a training step, and a sampling by DDIM."""
    from denoising_diffusion_pytorch import GaussianDiffusion, Unet

    unet = Unet(dim_mults=(1, 2, 4, 8), flash_attn=True, **DENOISING_DIFFUSION_PYTORCH["35M"])
    model = GaussianDiffusion(unet, image_size=SHAPE[-1], sampling_timesteps=SCALE.steps).to(
        DEVICE, memory_format=torch.channels_last
    )
    if compiled:
        unet.compile()
    x0 = torch.rand(batch, *SHAPE, device=DEVICE)

    def sample() -> None:
        with torch.inference_mode(), torch.autocast(DEVICE.type, torch.bfloat16):
            model.sample(batch_size=SCALE.samples)

    return unet, peer_step(model, lambda: model(x0)), sample


def diffusers(batch: int, compiled: bool) -> tuple[nn.Module, Work, Work]:
    from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

    down = ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D")
    up = ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D")
    unet: Any = UNet2DModel(
        SHAPE[-1],
        SHAPE[0],
        SHAPE[0],
        down_block_types=down,
        up_block_types=up,
        layers_per_block=2,
        **DIFFUSERS["35M"],
    )
    unet = unet.to(DEVICE, memory_format=torch.channels_last)
    if compiled:
        unet.compile()
    schedule: Any = DDPMScheduler()
    sampler: Any = DDIMScheduler()
    x0 = torch.rand(batch, *SHAPE, device=DEVICE) * 2 - 1

    def loss() -> Tensor:
        noise, t = torch.randn_like(x0), torch.randint(0, 1000, (batch,), device=DEVICE)
        return nn.functional.mse_loss(
            unet(schedule.add_noise(x0, noise, t), t).sample.float(), noise
        )

    def sample() -> None:
        sampler.set_timesteps(SCALE.steps)
        x = torch.randn(SCALE.samples, *SHAPE, device=DEVICE)
        with torch.inference_mode(), torch.autocast(DEVICE.type, torch.bfloat16):
            for t in sampler.timesteps:
                x = sampler.step(unet(x, t).sample, t, x).prev_sample

    return unet, peer_step(unet, loss), sample


PEERS = {"denoising-diffusion-pytorch": denoising_diffusion_pytorch, "diffusers": diffusers}


def measure_peer(name: str, batch: int) -> list[Facts]:
    rows = []
    for how in ("eager", "compiled"):
        torch._dynamo.reset()
        try:
            unet, step, sample = PEERS[name](batch, how == "compiled")
            seconds, sampling = timed(step), timed(sample, warm=2) if how == "eager" else None
        except ImportError:
            return [{"peer": name, "absent": "not installed here, so not measured"}]
        except (
            Exception
        ) as error:  # a peer that breaks on this version of torch is told, and is no fault of ours
            rows.append(
                {
                    "peer": name,
                    "batch": batch,
                    "how": how,
                    "failed": f"{type(error).__name__}: {str(error).splitlines()[0]}",
                }
            )
            continue
        row = {
            "peer": name,
            "batch": batch,
            "how": how,
            "parameters": sum(p.numel() for p in unet.parameters()),
        }
        row |= {
            "images_per_second": round(batch / seconds, 1),
            "ms_per_step": round(1000 * seconds, 3),
        }
        if sampling:
            row |= {
                "sampled_images_per_second": round(SCALE.samples / sampling, 1),
                "ms_per_evaluation": round(1000 * sampling / SCALE.steps, 3),
            }
        rows.append(row)
    return rows


def measure_sampling(registry: Registry) -> Facts:
    """The whole of ``generate`` with the first recipe, one evaluation a step; and the same network's evaluations, replayed and plain."""
    stage = make_stage(registry, SCALE.recipes[0], ['train.compile="off"'])
    request = SampleRequest(n=SCALE.samples, steps=SCALE.steps, batch=SCALE.samples)
    seconds = timed(lambda: list(generate(stage, request)), warm=2)
    x = torch.randn(SCALE.samples, *SHAPE, device=DEVICE)
    graphs = Captured(stage.denoiser) if CUDA else stage.denoiser
    with torch.inference_mode():
        level = x.new_ones(SCALE.samples)
        plain = timed(lambda: stage.denoiser(x, level, {}), 1 / 3)
        replayed = timed(lambda: graphs(x, level, Signals()), 1 / 3)
        many = SampleRequest(n=8 * SCALE.samples, steps=SCALE.steps, batch=SCALE.samples)
    lasting = timed(lambda: list(generate(stage, many)), warm=1) / 8
    return {
        "batch": SCALE.samples,
        "evaluations": SCALE.steps,
        "images_per_second": round(SCALE.samples / seconds, 1),
        "images_per_second_of_many_batches": round(SCALE.samples / lasting, 1),
        "ms_per_evaluation": round(1000 * lasting / SCALE.steps, 3),
        "bare_ms_plain": round(1000 * plain, 3),
        "bare_ms_replayed": round(1000 * replayed, 3),
        "ratio_to_bare_replayed": round(lasting / SCALE.steps / replayed, 3),
    }


def measure(registry: Registry) -> Facts:
    peak, rows = peak_flops(), []
    for recipe in SCALE.recipes:
        for batch in SCALE.batches:
            compiled = (
                ("compiled", *(("reduce-overhead",) if batch == min(SCALE.batches) else ()))
                if SCALE.compiled
                else ()
            )
            for how in ("eager", *compiled):
                rows.append(
                    told(
                        f"training {recipe} {batch} {how}",
                        partial(measure_training, registry, recipe, batch, how, peak),
                    )
                )
    sampling = told("sampling", lambda: measure_sampling(registry))
    batches = [batch for batch in SCALE.batches if batch < 512] if SCALE.peers else []
    peers = [row for name in PEERS for batch in batches for row in measure_peer(name, batch)]
    return {
        "peak_tflops": round(peak / 1e12),
        "training": rows,
        "sampling": sampling,
        "peers": peers,
        **ratios(rows, sampling, peers),
    }


def told(name: str, work: Callable[[], Facts]) -> Facts:
    """A measurement; one that fails says so in its place."""
    try:
        result = work()
    except Exception as error:
        traceback.print_exc()
        result = {"failed": f"{name}: {type(error).__name__}: {str(error).splitlines()[0]}"}
    print(f"{name}: {result.get('images_per_second', result.get('failed'))}", file=sys.stderr)
    if CUDA:
        torch.cuda.empty_cache()
    return result


def ratios(rows: list[Facts], sampling: Facts, peers: list[Facts]) -> Facts:
    """Ours over the better peer at equal batch, each eager or compiled, whichever is faster; None where there is nothing to compare with."""
    rows = [
        row for row in rows if row.get("how") != "reduce-overhead"
    ]  # not how the engine compiles

    def best(table: list[Facts], key: str, **only: Any) -> float:
        return max(
            (
                row[key]
                for row in table
                if key in row and all(row.get(k) == v for k, v in only.items())
            ),
            default=0.0,
        )

    ours, theirs = (
        best(rows, "images_per_second", recipe="small", batch=128),
        best(peers, "images_per_second", batch=128),
    )
    drawn, drawn_theirs = (
        sampling.get("images_per_second_of_many_batches", 0.0),
        best(peers, "sampled_images_per_second"),
    )
    return {
        "ratio": round(ours / theirs, 2) if theirs else None,
        "ratio_sampling": round(drawn / drawn_theirs, 2) if drawn_theirs else None,
        "ratio_to_roofline": best(rows, "ratio_to_roofline"),
    }


def main() -> int:
    global SCALE
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checks", action="store_true", help="the checks alone")
    parser.add_argument("--quick", action="store_true", help="measure at batch 128 only")
    options = arguments(parser, {})
    if not CUDA and not options.smoke:
        print("benchmarks/gpu.py needs a CUDA GPU, and torch sees none here.", file=sys.stderr)
        return 2
    if options.smoke:
        SCALE = SMOKE
    elif options.quick:
        SCALE = Scale(batches=(128,))
    registry = Registry.load_all()
    report: Facts = {**device(), "torch": torch.__version__, "checks": run_checks(registry)}
    if not options.checks:
        report |= measure(registry)
    emit(report, options.smoke)
    return int(failed(report))


def device() -> Facts:
    if not CUDA:
        return {"device": "cpu"}
    torch.cuda.set_device(DEVICE)
    properties = torch.cuda.get_device_properties(DEVICE)
    return {"device": properties.name, "memory_gb": round(properties.total_memory / 1e9)}


def failed(report: Facts) -> bool:
    measured = [*report.get("training", []), report.get("sampling", {})]
    return not all(check.get("passed", True) for check in report["checks"].values()) or any(
        "failed" in one for one in measured
    )


if __name__ == "__main__":
    sys.exit(main())
