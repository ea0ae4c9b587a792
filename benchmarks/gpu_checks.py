"""Checks of what only a CUDA GPU takes: each returns what it found, or raises. Parts of gpu.py."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast
from unittest.mock import patch

import numpy as np
import torch
from gpu_subjects import CUDA, DEVICE, SUBJECTS, TINY, pinned, step_of
from torch import Tensor, nn

from difftool.assemble import build_stage, make_bridge, make_modality
from difftool.batch import Batch
from difftool.conditioners.columns import LabelColumn, NumberColumn
from difftool.config import gather, resolve
from difftool.description import Description
from difftool.engine.capture import Captured
from difftool.engine.checkpoint import Saver, load_checkpoint, restore_state, training_state
from difftool.engine.fit import make_step
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.preview import preview
from difftool.engine.sample_request import SampleRequest
from difftool.engine.step import TrainStep
from difftool.expert import Expert
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.plugin.registry import Registry
from difftool.rng import Stream
from difftool.stage import Stage

SHAPE = (3, 32, 32)
SMALL = [
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


def training(stage: Stage) -> TrainStep:
    """The engine's own step."""
    torch._dynamo.reset()
    return make_step(stage, stage.settings.train)


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
    chosen = ['train.compile="off"', "train.batch=16", *SMALL, *sets]
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
    return make_stage(registry, "tiny", [*SMALL, *sets, "train.batch=16", "modality.augment=0"])


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


def check_replay(registry: Registry) -> Facts:
    """Recorded steps give the losses and weights of plain ones, for every modality and option."""
    found = {}
    cases: dict[str, tuple[str, dict[str, Any]]] = {
        "pictures, fp16": ("small", {"train.precision": "fp16"}),
        "pictures, in two parts": ("small", {"train.accumulate": 2}),
        "pictures, muon": ("small", {"optimizer.use": "muon"}),
        "pictures, checkpointed": ("small", {"train.checkpointing": True, "backbone.dropout": 0.0}),
        **{name: (name, {}) for name in SUBJECTS},
    }
    for case, (name, sets) in cases.items():
        found[case] = replayed(name, sets)
    return {"largest_differences": found}


def replayed(name: str, sets: dict[str, Any]) -> list[float]:
    """The largest relative difference of losses, and that of the weights, after 14 steps."""
    ends = []
    for capture in ("off", "on"):
        step, raws = step_of(
            name,
            **{
                **TINY[name],
                "train.batch": 8,
                "train.compile": "off",
                "train.capture": capture,
                **sets,
            },
        )
        values = torch.stack([step(i, next(raws))["denoiser"] for i in range(14)]).tolist()
        ends.append(
            (values, torch.cat([p.detach().flatten() for p in step.objective.parameters()]))
        )
    if step.replay is None or step.replay.stopped:
        raise AssertionError(f"{name} {sets} was not recorded")
    (plain, weights), (losses_, replayed_weights) = ends
    worst = max(abs(a - b) / b for a, b in zip(losses_, plain, strict=True))
    gap = relative(replayed_weights, weights)
    require(worst < 0.05, f"losses differ by {worst:.1%}: {losses_} and {plain}")
    require(gap < 0.05, f"weights differ by {gap:.1%}")
    return [worst, gap]


def check_norm(registry: Registry) -> Facts:
    """The kernels of group normalisation give what the formula gives, in both memory formats."""
    from difftool.engine.device import prepare_process
    from difftool.nn import norm

    prepare_process(DEVICE)
    require(norm.fused_norm is not None, "the kernels are not used")
    worst = 0.0
    for shape in ((4, 128, 32, 32), (4, 96, 17, 9), (3, 64, 1000), (2, 48, 4, 6, 5)):
        for dtype in (torch.float32, torch.bfloat16):
            for masked in (False, True):
                worst = max(worst, norm_difference(shape, dtype, masked))
    return {"largest_difference": worst}


def norm_difference(shape: tuple[int, ...], dtype: torch.dtype, masked: bool) -> float:
    """How far values and gradients are from those of the formula in float32, relatively."""
    from difftool.nn import norm

    layer = norm.NormActivation(shape[1]).to(DEVICE)
    formats = {4: torch.channels_last, 5: torch.channels_last_3d}
    x = torch.randn(shape, device=DEVICE) * 2 + 3
    x = x.to(memory_format=formats[x.ndim]) if x.ndim in formats else x
    film = torch.randn(shape[0], 2 * shape[1], device=DEVICE, requires_grad=True)
    mask = torch.ones(shape[0], 1, *shape[2:], dtype=torch.bool, device=DEVICE) if masked else None
    if mask is not None:
        mask[0, ..., -2:] = False
    slope = torch.randn(shape, device=DEVICE)

    def run(kind: torch.dtype) -> list[Tensor]:
        given = x.to(kind).requires_grad_()
        y = layer(given, film, mask)
        inputs = [given, layer.weight, layer.bias, film]
        return [y, *torch.autograd.grad(y, inputs, slope.to(kind))]

    fused = run(dtype)
    with patch.object(norm, "fused_norm", None):
        plain = run(torch.float32)
    worst = max(relative(a, b) for a, b in zip(fused, plain, strict=True))
    limit = 1e-3 if dtype == torch.float32 else 3e-2
    require(worst < limit, f"{shape} {dtype} masked={masked}: differs by {worst:.1e}")
    return worst


CHECKS = (
    check_norm,
    check_replay,
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
