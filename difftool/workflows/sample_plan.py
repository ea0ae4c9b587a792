"""What sampling will take, stage by stage, found by making a few samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ..figures import size
from .chain import Chain
from .job import Job
from .text import duration, number
from .writer import SHEET, SampleWriter

if TYPE_CHECKING:
    from ..engine.generate import Generated
    from ..plugin.registry import Registry


def sampling_plan(chain: Chain, parts: Registry) -> list[dict[str, Any]]:
    """A row for each stage of a chain: sizes, memory, arithmetic and time. Nothing is kept.

    A later stage refines samples that the stages before it made in a few steps: of them only the
    size matters.
    """
    from ..engine.device import memory_total  # torch
    from ..engine.generate import generate
    from ..engine.live import highest_memory, process_memory
    from ..engine.sampling_cost import FEW, few_of, sampling_cost

    rows, low, conds = list[dict[str, Any]](), chain.low, chain.conds
    for place, stage in enumerate(chain.stages):
        job = chain.job(place, parts, low, conds)
        some = list(generate(job.stage, few_of(job.request, min(FEW[1], chain.n))))
        before = process_memory()
        with highest_memory() as taken:  # what writing loads stays in memory
            _write(job, some)
        cost = sampling_cost(job.stage, job.request)
        device = next(job.stage.denoiser.parameters()).device
        rows.append(
            {
                "stage": stage.name,
                "model": str(stage.model.path),
                "samples": job.request.n,
                "batch": cost.batch,
                "steps": job.request.steps,
                "device": str(device),
                "parameters": sum(p.numel() for p in job.stage.denoiser.parameters()),
                "memory_needed_bytes": max(cost.memory, before + taken[-1])
                if device.type == "cpu"
                else cost.memory,
                "memory_total_bytes": memory_total(device),
                "flops_per_sample": cost.flops,
                "seconds_in_all": cost.seconds * job.request.n,
            }
        )
        low = list(islice(cycle([one.example for one in some]), chain.n))
        conds = list(islice(cycle([one.cond for one in some]), chain.n))
    return rows


def _write(job: Job, some: Sequence[Generated]) -> None:
    """Write as many samples as a sheet holds into a folder that is removed at once."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "samples"
        writer = SampleWriter(place, job.stage.modality, job.info, job.request.shape)
        for index in range(min(job.request.n, SHEET)):
            writer.write(replace(some[index % len(some)], index=index))
        writer.write_sheet()


def sampling_lines(row: dict[str, Any]) -> list[tuple[str, str]]:
    """A row of the plan as lines of a name and a text."""
    needed, there = row["memory_needed_bytes"], row["memory_total_bytes"]
    room = "" if needed <= there else f". That is more than there is: {_fix(row)}"
    flops = row["flops_per_sample"] / 1e9
    return [
        ("model", f"{row['model']}, {row['parameters']:,} parameters"),
        ("samples", f"{row['samples']}, {row['batch']} at once, {row['steps']} steps each"),
        ("arithmetic", f"{number(flops)} GFLOP a sample"),
        ("device", row["device"]),
        ("memory", f"about {size(needed)} at the peak, of {size(there)}{room}"),
        ("time", f"about {duration(row['seconds_in_all'])}"),
    ]


def _fix(row: dict[str, Any]) -> str:
    return f"use --batch {row['batch'] // 2}" if row["batch"] > 1 else "ask for smaller samples"
