"""Every installed part keeps its noun's contract; a new one joins by registering."""

from __future__ import annotations

from importlib import import_module

import pytest

from difftool.plugin.registry import Registry
from difftool.testing import (
    backbone_contract,
    conditioner_contract,
    edit_contract,
    guidance_contract,
    objective_contract,
    optimizer_contract,
    process_contract,
    sampler_contract,
)

REGISTRY = Registry.load_all()
EXPECTED = {
    "backbone": {"unet", "edm2", "ddpmpp", "adm", "dit", "uvit", "mmdit", "rin"},
    "process": {"edm", "eps", "v", "flow", "score", "x0"},
    "sampler": {
        "ddpm",
        "ddim",
        "euler",
        "euler_ancestral",
        "heun",
        "dpmpp_2m",
        "dpmpp_2m_sde",
        "pndm",
        "dpm_solver",
        "dpmpp_2s",
        "dpmpp_sde",
        "dpmpp_3m_sde",
        "unipc",
        "deis",
        "plms",
        "ipndm",
        "lms",
        "rk4",
        "rk45",
        "sa_solver",
        "restart",
        "predictor_corrector",
        "langevin",
        "consistency",
    },
    "objective": {"denoising", "consistency", "autoencoder"},
    "optimizer": {"adamw", "muon"},
    "conditioner": {"channels", "label", "labels", "number", "vector"},
    "bridge": {"resample"},
    "guidance": {
        "cfg",
        "cfgpp",
        "apg",
        "threshold",
        "autoguidance",
        "composition",
        "reconstruction",
    },
}
KNOBS = [
    ("ddim", {"eta": 0.5}),
    ("ddim", {"eta": 1.0}),
    ("ddpm", {"variance": "large"}),
    ("euler_ancestral", {"eta": 0.3}),
    ("heun", {"s_churn": 3.0}),
    ("heun", {"s_churn": 3.0, "s_min": 0.1, "s_max": 2.0}),
    ("dpmpp_2m_sde", {"eta": 0.4}),
    ("dpm_solver", {"order": 2}),
    ("dpmpp_2s", {"eta": 1.0}),
    ("unipc", {"order": 2, "variant": "B1"}),
    ("deis", {"degree": 2, "time": "log"}),
    ("sa_solver", {"predictor": 2, "corrector": 0, "tau": 0.6}),
    ("predictor_corrector", {"predictor": "ancestral", "corrector_steps": 2}),
]
OTHERS = {
    "autoguidance": {"model": "worse"},
    "composition": {"models": ("a", "b")},
    "classifier": {"model": "classifier"},
}
GUIDANCES = [
    ("cfg", {"scale": 3.0}),
    ("cfg", {"scale": 3.0, "rescale": 0.7, "low": 0.1, "high": 5.0}),
    ("cfg", {"scale": 0.0}),
    ("cfg", {"clip": 0.5}),
    ("cfg", {"scale": 3.0, "growth": "cosine"}),
    ("apg", {"scale": 3.0, "norm": 0.1, "parallel": 0.5}),
    ("autoguidance", {"model": "worse", "scale": 3.0, "low": 0.1, "high": 5.0}),
    ("composition", {"models": ("a",), "weights": (1.0, 1.0)}),
    ("perturbed", {"scale": 2.0, "layers": "all", "low": 0.1}),
    ("threshold", {"percentile": 0.8, "bound": 0.3}),
]
SMALL = {
    "unet": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention": 64, "head_width": 8},
    "ddpmpp": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "attention_from": 0},
    "edm2": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8},
    "adm": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "head_width": 8},
    "dit": {"width": 24, "depth": 2, "head_width": 12},
    "uvit": {"width": 24, "depth": 3, "head_width": 12},
    "mmdit": {"width": 24, "depth": 2, "head_width": 12},
    "rin": {"width": 24, "depth": 2, "head_width": 12, "rounds": 2, "latents": 5},
}
SHAPES = {"line": (2, 12), "plane": (3, 8, 8), "solid": (2, 4, 6, 6)}
SIZES = {"line": [(13,), (7,)], "plane": [(7, 9)], "solid": [(3, 5, 5)]}


def names(kind: str) -> list[str]:
    return [spec.name for spec in REGISTRY.specs(kind)]


def core(kind: str) -> list[str]:
    """Parts of the core; what a plugin needs to be tried on, its own tests know."""
    return [spec.name for spec in REGISTRY.specs(kind) if REGISTRY.provider(spec).name == "core"]


@pytest.mark.parametrize("kind", EXPECTED)
def test_all_the_core_s_parts_are_registered(kind):
    assert set(names(kind)) >= EXPECTED[kind]


def _suites():
    for name in names("sampler"):
        yield "", sampler_contract(name)
    for i, (name, knobs) in enumerate(KNOBS):
        yield f"_{i}", sampler_contract(name, knobs)
    for name in names("guidance"):
        yield "", guidance_contract(name, OTHERS.get(name))
    for i, (name, options) in enumerate(GUIDANCES):
        yield f"_{i}", guidance_contract(name, options)
    for name in names("edit"):
        yield "", edit_contract(name)
    for name in names("process"):
        yield "", process_contract(name)
    for name in names("objective"):
        if name != "control":  # it needs a network with a branch: tests/cli/test_control.py
            yield "", objective_contract(name, {"base": "any"} if name == "finetune" else None)
    yield "_adversary", objective_contract("distribution-matching", {"adversary": 0.01})
    yield "_rank", objective_contract("progressive", {"rank": 2})
    for name in names("optimizer"):
        yield "", optimizer_contract(name)
    for name in core("conditioner"):
        # they need an encoder or files: tests/test_encoders.py, tests/test_references.py
        if name in {"encoder", "beside", "reference"}:
            continue
        yield "", conditioner_contract(name)
    for name in core("backbone"):
        for where, shape in SHAPES.items():
            yield f"_{where}", backbone_contract(name, shape, SMALL.get(name), SIZES[where])


globals().update({f"Test{suite.__name__}{key}": suite for key, suite in _suites()})


@pytest.mark.parametrize("name", ["audio", "image", "molecule", "video"])
def test_each_part_of_a_first_party_plugin_is_tested_by_its_contract(name):
    """Only a plugin knows what suits its parts; its module ``contracts`` says it."""
    tested = {
        getattr(one, "part", None)
        for one in vars(import_module(f"difftool_{name}.contracts")).values()
    }
    plugin = next(plugin for plugin in REGISTRY.plugins if plugin.name == name)
    provided = REGISTRY.provides(plugin).items()
    assert {
        (kind, part)
        for kind, parts in provided
        if kind not in ("recipe", "cascade")
        for part in parts
    } <= tested
