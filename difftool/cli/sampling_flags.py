"""The options of commands that sample from trained models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..config import CHANGEABLE
from ..guidance.options import GuidanceOptions
from ..settings import SampleOptions
from ..workflows.request import REQUEST, Request, request_model
from ..workflows.words import (
    parse_adapters,
    parse_branches,
    parse_conditions,
    parse_experts,
    parse_guidance,
    parse_negative,
    parse_prompts,
)
from .flags import Flag, flags_of, given, registry


def seed_option(text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``--seed``, with its help."""
    return click.option(
        "--seed",
        default=0,
        metavar="N",
        show_default=True,
        type=click.IntRange(0),
        help=text,
    )


def count_option(
    default: int, bounds: click.IntRange, text: str
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """``-n``, how many samples or examples, with its help."""
    return click.option(
        "-n", default=default, metavar="N", show_default=True, type=bounds, help=text
    )


_DEVICE = (
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …"),
    click.option(
        "--precision",
        default="auto",
        show_default=True,
        type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
        help="Number format of the computation.",
    ),
)

_OPTIONS = (
    click.option(
        "--cond",
        "conds",
        multiple=True,
        metavar="NAME=VALUE[,VALUE…]",
        help="A condition; several values take turns; all takes every label, none withholds it; "
        'A AND B has both. Quote a value with a comma: NAME="A,B".',
    ),
    click.option(
        "--prompt",
        "prompts",
        multiple=True,
        metavar="TEXT",
        help="A text for a model of captions; several, by repeating it, take turns.",
    ),
    click.option(
        "--prompts",
        "prompt_file",
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="A text file with a prompt in each line, which take turns.",
    ),
    click.option(
        "--negative",
        "negatives",
        multiple=True,
        metavar="TEXT|NAME=VALUE",
        help="What samples shall not be: guidance goes away from it. Several take turns.",
    ),
    seed_option("Seed of the samples; sample number i of a seed is always the same."),
    click.option(
        "--set",
        "sets",
        multiple=True,
        metavar="TABLE.KEY=VALUE",
        help=f"A setting of {', '.join(CHANGEABLE)}; may be repeated.",
    ),
    click.option(
        "--ema",
        metavar="X",
        type=click.FloatRange(0, 0.28, min_open=True, max_open=True),
        help="Relative width of the average, made from snapshots.",
    ),
    click.option(
        "--expert",
        "experts",
        multiple=True,
        metavar="RUN@LEVEL",
        help="Another model that takes over below this noise level; may be repeated.",
    ),
    click.option(
        "--control",
        "controls",
        multiple=True,
        metavar="FILE|DIR",
        type=click.Path(path_type=Path, exists=True),
        help="Files whose map, such as edges, samples of a model with a control branch follow.",
    ),
    click.option(
        "--control-scale",
        metavar="X",
        default=1.0,
        show_default=True,
        type=click.FloatRange(0),
        help="How much the map counts.",
    ),
    click.option(
        "--branch",
        "branches",
        multiple=True,
        metavar="RUN=FILE[:WEIGHT]",
        help="A further control branch of the same model, and the file whose map it follows.",
    ),
    click.option(
        "--adapter",
        "adapters",
        multiple=True,
        metavar="FILE[:WEIGHT]",
        help="What difftool finetune added, laid on the model; several add up.",
    ),
    *_DEVICE,
)

_START = click.option(
    "--start",
    default=0,
    metavar="N",
    show_default=True,
    type=click.IntRange(0),
    help="Number of the first sample.",
)


def on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of where and in which precision it computes."""
    for option in reversed(_DEVICE):
        function = option(function)
    return function


def shared_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every command that samples from a model."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def sampling_options(
    n: int, several: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command the argument ``model`` and the options that ``request_of`` takes.

    Args:
        n: default number of samples.
        several: the argument is ``models``, any number of them.
    """
    model = click.argument("model", default="latest", metavar="[RUN|MODEL|latest]")
    if several:
        model = click.argument("models", nargs=-1, metavar="[RUN|MODEL|CASCADE|latest]…")
    many = click.option(
        "-n",
        default=n,
        metavar="N",
        show_default=True,
        type=click.IntRange(1),
        help="Number of samples.",
    )

    def given_options(function: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed((model, many, _START)):
            function = option(function)
        return function

    return lambda function: given_options(shared_options(function))


def request_of(
    ctx: click.Context,
    n: int,
    conds: tuple[str, ...],
    prompts: tuple[str, ...],
    prompt_file: Path | None,
    negatives: tuple[str, ...],
    seed: int,
    start: int,
    sets: tuple[str, ...],
    ema: float | None,
    experts: tuple[str, ...],
    controls: tuple[Path, ...],
    control_scale: float,
    branches: tuple[str, ...],
    adapters: tuple[str, ...],
    device: str,
    precision: str,
) -> Request:
    """The request that a command line makes."""
    cond, others = parse_conditions(conds), parse_experts(experts)
    named = (ctx.params.get(name) or () for name in ("models", "model", "words"))
    words = [word for one in named for word in ((one,) if isinstance(one, str) else one)]
    cond |= parse_prompts(words, prompts, prompt_file)
    return Request(
        n, seed, start, device, precision, ema, cond, parse_guidance(given(ctx)), sets,
        experts=others, adapters=parse_adapters(adapters), control=controls,
        control_scale=control_scale, branches=parse_branches(branches), negative=parse_negative(words, negatives),
    )  # fmt: skip


def flags_for_sampling(ctx: click.Context, name: str, taken: set[str]) -> list[Flag]:
    """The generated flags of a command that samples from a model: how, and the own ones of the
    modality of that name.

    Args:
        taken: flags that exist already; grows.
    """
    made = flags_of(SampleOptions, "sample", "Sampling", values={}, taken=taken)
    made.append(
        Flag(
            ["sampler__use", "--sampler"],
            "sampler.use",
            "Sampling",
            metavar="NAME",
            help="the solver; difftool list samplers",
        )
    )
    text = GuidanceOptions.model_fields["scale"].description
    made.append(
        Flag(
            ["guidance__scale", "--guidance"],
            "guidance.scale",
            "Sampling",
            metavar="X|NAME=X,…",
            help=f"{text}; NAME=X,… sets those of single conditions",
        )
    )
    taken |= {"sampler", "guidance"}
    parts = registry(ctx)
    if name in parts.names("modality"):
        made += flags_of(
            request_model(parts, name), REQUEST, f"{name.capitalize()}", taken=taken, prefix=name
        )
    return made
