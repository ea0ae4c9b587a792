"""What leaves the sampling loop: cut to its template, with the template's conditions where none were asked for."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from small import prepared, small_run

from difftool import Batch, NumberColumn
from difftool.engine import generate as generate_module
from difftool.engine.compile import compiled, keep_compiled
from difftool.engine.generate import Generated, generate
from difftool.engine.padding import unpadded
from difftool.engine.sample_request import SampleRequest
from difftool.errors import DeviceError
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.options import GuidanceOptions
from difftool.samplers.heun import heun


def test_examples_are_cut_to_the_template_s_size_and_mask():
    x = torch.arange(2 * 3 * 6).reshape(2, 3, 6)
    mask = torch.tensor([[[1, 1, 1, 0, 0]], [[1, 0, 1, 1, 1]]]).bool()
    one, other = unpadded(x, Batch(torch.zeros(2, 3, 5), mask=mask))
    assert np.array_equal(one, x[0, :, :3])
    assert np.array_equal(other, x[1, :, :5])
    rows = unpadded(
        x, Batch(torch.zeros(2, 3, 6), mask=torch.tensor([[[1], [1], [0]], [[1], [0], [0]]]).bool())
    )
    assert [row.shape for row in rows] == [(2, 6), (1, 6)]
    assert [whole.shape for whole in unpadded(x, Batch(torch.zeros(2, 3, 4)))] == [(3, 4)] * 2


class Timed:
    """A modality whose examples carry a condition of their own, usually 0."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def template(self, description, n, rng, request) -> Batch:
        return self.inner.template(description, n, rng, request).with_cond(start=torch.zeros(n))


def test_the_template_s_conditions_hold_unless_others_are_asked_for():
    from difftool.conditioners.number import Number
    from difftool.conditioners.options import NumberOptions
    from difftool.denoiser import Denoiser

    stage, _, _ = prepared(*small_run())
    start = NumberColumn("start", mean=5, std=2, low=1, high=9)
    conditioners = {**stage.denoiser.conditioners, "start": Number(NumberOptions(), start)}
    denoiser = Denoiser(stage.denoiser.backbone, stage.denoiser.preconditioning, conditioners)
    description = replace(
        stage.description, conditions={**stage.description.conditions, "start": start}
    )
    stage = replace(
        stage, modality=Timed(stage.modality), network=denoiser, description=description
    )
    assert [one.cond["start"] for one in generate(stage, SampleRequest(n=2, steps=2))] == [0, 0]
    assert [
        one.cond["start"]
        for one in generate(stage, SampleRequest(n=2, steps=2, cond={"start": ["3"]}))
    ] == [3, 3]
    assert [
        one.cond["start"]
        for one in generate(stage, SampleRequest(n=2, steps=2, cond={"start": ["0.1", "2e-05"]}))
    ] == [0.1, 2e-05]


@pytest.mark.parametrize(
    ("guidance", "times"), [({}, 1), ({"scale": 2.0}, 1), ({"scale": 2.0, "low": 0.1}, 2)], ids=str
)
@pytest.mark.parametrize("steps", [2, 7])
def test_conditions_are_encoded_once_for_a_batch_at_any_number_of_steps(guidance, times, steps):
    """Where guidance has an interval, once more, for the levels outside it."""
    stage, _, _ = prepared(*small_run())
    calls = []
    conditioner = stage.denoiser.conditioners["class"]
    conditioner.register_forward_hook(lambda *args: calls.append(1))
    request = SampleRequest(
        n=4,
        steps=steps,
        batch=2,
        cond={"class": ["left"]},
        guidance=ClassifierFree(GuidanceOptions(**guidance)),
    )
    assert len(list(generate(stage, request))) == 4
    assert len(calls) == 2 * times


def test_the_evaluations_of_each_batch_are_counted():
    stage, _, _ = prepared(*small_run())
    stage = replace(stage, sampler=heun, knobs={})
    request = SampleRequest(n=3, steps=4, batch=2)
    list(generate(stage, request))
    assert request.evaluations == [7, 7]  # two for each step but the last


def test_a_title_is_what_was_asked_for_in_few_words():
    assert (
        Generated(0, np.zeros(1), {"class": "a b", "pitch": 440.12345, "age": None}).title
        == "a b 440.1"
    )


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("CPU: can't allocate memory")])
def test_memory_that_runs_out_names_the_batch(monkeypatch, error):
    stage, _, _ = prepared(*small_run())

    def exhausted(*_):
        raise error

    monkeypatch.setattr(generate_module, "_sample", exhausted)
    with pytest.raises(DeviceError, match=r"6 samples at once\. Use --batch 3"):
        list(generate(stage, SampleRequest(n=9, steps=2, batch=6)))
    with pytest.raises(DeviceError, match=r"1 sample at once\. Ask for smaller samples"):
        list(generate(stage, SampleRequest(n=9, steps=2, batch=1)))


@pytest.fixture
def fetched(monkeypatch):
    """Sampling runs ahead, as on a GPU; what is begun and fetched is noted."""
    noted, real = [], generate_module._batch

    def begun(stage, denoisers, request, indices, chosen):
        noted.append(f"begin {indices[0]}")
        made = real(stage, denoisers, request, indices, chosen)
        return lambda: noted.append(f"fetch {indices[0]}") or made()

    monkeypatch.setattr(generate_module, "_batch", begun)
    monkeypatch.setattr(generate_module, "_runs_ahead", lambda stage: True)
    return noted


def test_a_batch_is_fetched_while_the_next_one_is_made(fetched, monkeypatch):
    stage, _, _ = prepared(*small_run())
    request = SampleRequest(n=5, steps=2, batch=2)
    ahead = list(generate(stage, request))
    assert fetched == ["begin 0", "begin 2", "fetch 0", "begin 4", "fetch 2", "fetch 4"]
    monkeypatch.undo()
    plain = list(generate(stage, request))
    assert [one.index for one in ahead] == [one.index for one in plain] == [0, 1, 2, 3, 4]
    assert all(np.array_equal(a.example, b.example) for a, b in zip(ahead, plain, strict=True))


def test_what_was_made_before_a_failure_comes_before_it(fetched, monkeypatch):
    stage, _, _ = prepared(*small_run())
    real = generate_module._batch

    def failing(stage, denoisers, request, indices, chosen):
        if indices[0] == 4:
            raise ValueError("broken")
        return real(stage, denoisers, request, indices, chosen)

    monkeypatch.setattr(generate_module, "_batch", failing)
    made = []
    with pytest.raises(ValueError, match="broken"):
        made.extend(one.index for one in generate(stage, SampleRequest(n=6, steps=2, batch=2)))
    assert made == [0, 1, 2, 3]


def test_sampling_compiles_where_that_repays_and_leaves_the_network_as_it_was():
    stage, _, _ = prepared(*small_run())
    regions = list(stage.denoiser.backbone.regions())
    regions[0].compile()
    with compiled([stage.denoiser]):
        assert all(region._compiled_call_impl is not None for region in regions)
    assert [region._compiled_call_impl is not None for region in regions] == [True] + [False] * (
        len(regions) - 1
    )


@pytest.mark.parametrize(
    ("device", "choice", "n", "compiles"),
    [
        ("cuda", "auto", 64, False),
        ("cuda", "auto", 64 * 80, True),
        ("cuda", "off", 64 * 80, False),
        ("cpu", "auto", 64 * 80, False),
        ("cpu", "on", 1, True),
    ],
)
def test_when_sampling_compiles(device, choice, n, compiles):
    stage = SimpleNamespace(denoiser=SimpleNamespace(parameters=lambda: iter([Placed(device)])))
    request = SampleRequest(n=n, steps=25, batch=64, compile=choice)
    assert generate_module._compiles(stage, request) is compiles


class Placed:
    """A parameter on a device that need not be there."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)


def test_compiled_code_is_kept_in_the_cache_though_torch_chose_a_folder_first(
    monkeypatch, tmp_path
):
    """Importing torch._dynamo sets the variable, in whatever command has imported it."""
    torch_s = SimpleNamespace(default_cache_dir=lambda: "/tmp/torch's own")
    monkeypatch.setitem(sys.modules, "torch._inductor.runtime.cache_dir_utils", torch_s)
    for given, kept in (("/tmp/torch's own", str(tmp_path)), ("/user's", "/user's")):
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", given)
        monkeypatch.setenv("TRITON_CACHE_DIR", "/user's triton")
        keep_compiled(tmp_path)
        assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == kept
        assert os.environ["TRITON_CACHE_DIR"] == "/user's triton"
