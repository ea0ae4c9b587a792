"""A later stage of a cascade: an ordinary run that is shown what an earlier one makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small import pictures, prepared, registry, small_run, train

from difftool import Batch, DataError, Options, Stream, UsageError
from difftool.assemble import load_stage
from difftool.engine import generate as generating
from difftool.engine.checkpoint import load_checkpoint
from difftool.engine.fit import make_step
from difftool.engine.folder import RunFolder
from difftool.engine.generate import generate
from difftool.engine.preview import preview_sheet
from difftool.engine.sample_request import SampleRequest
from difftool.engine.solving import Solving
from difftool.engine.step import encoded
from difftool.engine.weights import MODEL, load_weights
from difftool.guidance.cfg import ClassifierFree, classifier_free
from difftool.guidance.options import GuidanceOptions
from difftool_image.options import ImageRequest

REFINING = [
    'bridge.use="resample"',
    "bridge.factors=[1,2,2]",
    "bridge.max_aug_level=0.5",
    "bridge.blur=0.5",
    "bridge.compress=2",
]
RNG = np.random.default_rng(0)


def low(n: int, size: tuple[int, int] = (4, 4)) -> list[np.ndarray]:
    return [RNG.integers(0, 256, (3, *size), dtype=np.uint8) for _ in range(n)]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of two steps that makes 8 x 8 of 4 x 4."""
    return train(
        tmp_path_factory.mktemp("runs") / "x2",
        *small_run(steps=2, sets=[*REFINING, "train.preview=3"]),
    )


@pytest.fixture(scope="module")
def stage(run):
    """From its model file alone, its last layer stirred: after two steps it says next to nothing."""
    loaded = load_stage(run / "model.safetensors", registry(), device="cpu")
    with torch.no_grad():
        for parameter in loaded.denoiser.parameters():
            parameter.add_(
                0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
            )
    return loaded


def made(stage, low, **request) -> list[np.ndarray]:
    return [
        one.example
        for one in generate(stage, SampleRequest(n=len(low), steps=3, low=low, **request))
    ]


# --- training ----------------------------------------------------------------------------------------------------------


def test_a_model_file_says_what_the_stage_is_shown(run):
    conditions = load_weights(run / "model.safetensors", MODEL)[1]["description"]["conditions"]
    shown = {"low": "channels", "low_level": "number"}
    assert {name: c["kind"] for name, c in conditions.items()} == {
        "class": "label",
        "augment": "vector",
        **shown,
    }
    assert list((run / "samples").glob("preview-*"))


def test_training_never_leaves_open_what_a_bridge_shows(stage):
    dropout = {name: c.dropout for name, c in stage.denoiser.conditioners.items()}
    assert (dropout["class"], dropout["low"], dropout["low_level"]) == (0.1, 0.0, 0.0)


def test_training_and_sampling_show_by_the_same_function():
    """With nothing random asked for, the batch that training sees is, to the bit, what sampling makes of the degraded example."""
    stage, dataset, _ = prepared(*small_run(sets=[*REFINING[:2], "modality.augment=0"]))
    raw = dataset.batch(np.arange(3), Stream(0, "t"))
    step = make_step(stage, stage.settings.train)
    trained = encoded(step.stage, raw, Stream(0, "train"), prepared=False)
    request = SampleRequest(n=3, steps=1, low=list(stage.bridge.degrade(raw).x.numpy()))
    [(_, _, sampled, _)] = generating._encoded(
        stage, request, range(3), raw.with_x(torch.zeros_like(raw.x))
    )
    assert torch.equal(trained.cond["low"], sampled.cond["low"])


def test_training_is_on_crops_where_they_are_asked_for():
    stage, dataset, _ = prepared(*small_run(sets=[*REFINING, "bridge.crop=[4,4]"]))
    step = make_step(stage, stage.settings.train)
    raw = dataset.batch(np.arange(8), Stream(0, "t"))
    batch = encoded(step.stage, raw, Stream(0, "train"), prepared=False)
    assert (batch.x.shape, batch.cond["low"].shape) == ((8, 3, 4, 4), (8, 3, 4, 4))
    assert step(0, dataset.batch(np.arange(8), Stream(0, "t")))["denoiser"].isfinite()


def test_a_later_stage_resumes_to_the_bit(tmp_path):
    sets = small_run(steps=6, sets=[*REFINING, "bridge.crop=[6,6]"])
    alone, stopped = train(tmp_path / "a", *sets), train(tmp_path / "b", *sets, stop_at=3)
    train(stopped, *sets, resume=True)
    one, other = (
        load_checkpoint(RunFolder.open(path).latest_checkpoint())[0] for path in (alone, stopped)
    )
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_bridge_s_vector_is_as_wide_as_the_others():
    stage, _, _ = prepared(
        *small_run(
            sets=[
                *REFINING,
                "modality.augment=0",
                "conditions.class.use='label'",
                "conditions.class.width=24",
            ]
        )
    )
    assert {c.vector for c in stage.denoiser.conditioners.values()} == {24, 0}


def test_a_column_of_the_same_name_is_refused():
    (pictures() / "metadata.csv").write_text(
        "file_name,low\n"
        + "".join(f"{p.parent.name}/{p.name},1\n" for p in pictures().rglob("*.png"))
    )
    try:
        with pytest.raises(
            DataError, match="'low' has the name of a condition that the resample bridge sets"
        ):
            prepared(*small_run(sets=[*REFINING, 'conditions.low.use="number"']))
    finally:
        (pictures() / "metadata.csv").unlink()


# --- sampling ----------------------------------------------------------------------------------------------------------


def test_a_sample_depends_on_the_seed_its_index_and_what_it_refines_alone(stage):
    given = low(5)
    whole = made(stage, given, level=0.3)
    assert all(one.shape == (3, 8, 8) and one.dtype == np.uint8 for one in whole)
    for batch in (1, 2):
        assert all(
            np.abs(a.astype(int) - b).max() <= 1
            for a, b in zip(made(stage, given, level=0.3, batch=batch), whole, strict=True)
        )
    later = made(stage, given[3:], level=0.3, start=3)
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(later, whole[3:], strict=True))
    others = made(stage, [given[0], *low(4)], level=0.3)
    assert np.abs(others[0].astype(int) - whole[0]).max() <= 1
    assert not np.array_equal(others[1], whole[1])


def test_examples_of_several_sizes_are_made_in_their_order(stage):
    given = [*low(1), *low(1, (5, 3)), *low(1), *low(1, (5, 3))]
    whole = made(stage, given)
    assert [one.shape for one in whole] == [(3, 8, 8), (3, 10, 6)] * 2
    alone = made(stage, given[2:3], start=2)[0]
    assert np.abs(alone.astype(int) - whole[2]).max() <= 1


# --- larger than what was trained on -----------------------------------------------------------------------------------


class Seen:
    """The shapes that the stage's network is given."""

    def __init__(self, stage, monkeypatch) -> None:
        self.shapes = list[tuple[int, ...]]()
        inner = stage.denoiser.backbone.forward
        monkeypatch.setattr(
            stage.denoiser.backbone,
            "forward",
            lambda x, *rest: self.shapes.append(tuple(x.shape)) or inner(x, *rest),
        )

    @property
    def most(self) -> int:
        return max(shape[0] for shape in self.shapes)

    @property
    def sizes(self) -> set[tuple[int, ...]]:
        return {shape[2:] for shape in self.shapes}


def test_what_is_larger_than_what_was_trained_on_is_made_in_tiles_of_that_size(stage, monkeypatch):
    seen = Seen(stage, monkeypatch)
    given = low(1, (11, 9))
    [one] = made(stage, given, batch=4)
    assert one.shape == (3, 22, 18)
    assert seen.sizes == {(8, 8)}
    assert seen.most == 4
    made(stage, given, tile="off")
    assert seen.sizes == {(8, 8), (22, 18)}
    made(stage, given, tile=(6,))
    assert (6, 18) in seen.sizes


def test_a_stage_that_was_trained_on_crops_is_shown_no_more_than_those(stage, monkeypatch):
    monkeypatch.setattr(stage.bridge, "crop_sizes", (4,))
    seen = Seen(stage, monkeypatch)
    assert made(stage, low(1))[0].shape == (3, 8, 8)
    assert seen.sizes == {(4, 8)}


def test_memory_does_not_grow_with_the_size_nor_with_guidance_beyond_the_batch(stage, monkeypatch):
    """Of larger samples fewer are made at once, too."""
    seen, together = Seen(stage, monkeypatch), []
    inner = Solving.examples
    monkeypatch.setattr(
        Solving,
        "examples",
        lambda own, denoisers: together.append(len(own.indices)) or inner(own, denoisers),
    )
    made(
        stage,
        low(6, (8, 8)),
        batch=6,
        guidance=ClassifierFree(GuidanceOptions(scale=2.0)),
        cond={"class": ["left"]},
    )
    assert together == [1] * 6
    assert seen.most == 6


def test_a_sample_in_tiles_depends_on_no_other_and_not_on_the_batch(stage):
    given = low(3, (7, 6))
    whole = made(stage, given, level=0.3)
    for batch in (1, 2):
        assert all(
            np.abs(a.astype(int) - b).max() <= 1
            for a, b in zip(made(stage, given, level=0.3, batch=batch), whole, strict=True)
        )
    later = made(stage, given[2:], level=0.3, start=2)
    assert np.abs(later[0].astype(int) - whole[2]).max() <= 1


def test_what_is_made_from_noise_is_made_whole_unless_it_is_asked_for(monkeypatch):
    stage, _, _ = prepared(*small_run())
    seen, asked = Seen(stage, monkeypatch), ImageRequest(size=12)
    list(generate(stage, SampleRequest(n=1, steps=1, shape=asked)))
    assert seen.sizes == {(12, 12)}
    list(generate(stage, SampleRequest(n=1, steps=1, shape=asked, tile=(8, 8))))
    assert seen.sizes == {(12, 12), (8, 8)}
    with pytest.raises(
        UsageError,
        match=r"sample.tile = \[8, 8, 8\] is for 3 axes, and an encoded example has 3 x 8 x 8",
    ):
        generate(stage, SampleRequest(n=1, steps=1, tile=(8, 8, 8)))


def test_a_later_stage_draws_other_noise_than_an_earlier_one_of_its_shape(stage):
    """That noise is in what it refines, and in training the two have nothing to do with one another."""
    begun = []

    def watched(denoise, x, sigmas, noise, **knobs):
        begun.append(x / sigmas[0])
        return stage.sampler(denoise, x, sigmas, noise, **knobs)

    alone, _, _ = prepared(*small_run())
    made(replace(stage, sampler=watched), low(1))
    list(generate(replace(alone, sampler=watched), SampleRequest(n=1, steps=1)))
    later, earlier = begun
    assert later.shape == earlier.shape
    assert (later - earlier).abs().mean() > 0.5


def test_each_stage_that_refines_draws_noise_of_its_own(stage):
    """Two of one shape in a cascade: what the second refines was made of the first one's noise. Noise on what is shown is its own as well."""
    given = low(1)
    first, second = (made(stage, given, level=0.5, place=place)[0] for place in (1, 2))
    assert np.abs(first.astype(int) - second).mean() > 5
    assert np.array_equal(second, made(stage, given, level=0.5, place=2)[0])


def test_the_level_matters(stage):
    given = low(1)
    assert not np.array_equal(made(stage, given, level=0.0)[0], made(stage, given, level=0.5)[0])


def test_samples_are_named_by_the_conditions_that_a_user_can_give(stage):
    request = SampleRequest(n=1, steps=1, low=low(1), cond={"class": ["left"]})
    assert [dict(one.cond) for one in generate(stage, request)] == [{"class": "left"}]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"n": 2}, "needs examples to refine.*--from FILES"),
        ({"n": 2, "low": low(3)}, "2 samples are requested, but 3 examples are given"),
        ({"n": 1, "low": low(1), "level": 0.6}, "not trained at level 0.6.*0 to 0.5"),
        (
            {"n": 1, "low": low(1), "cond": {"low_level": ["0"]}},
            "no condition 'low_level'. It has: class.",
        ),
    ],
)
def test_what_cannot_be_refined_is_reported(stage, request_, said):
    with pytest.raises(UsageError, match=said):
        generate(stage, SampleRequest(steps=1, **request_))


def test_a_model_without_a_bridge_refines_nothing():
    stage, _, _ = prepared(*small_run())
    assert stage.bridge is None
    with pytest.raises(UsageError, match="trained without a bridge"):
        generate(stage, SampleRequest(n=1, steps=1, low=low(1)))


def test_a_preview_makes_examples_of_the_data_anew_with_their_own_labels(monkeypatch, tmp_path):
    stage, dataset, _ = prepared(*small_run(sets=REFINING))
    seen = []
    monkeypatch.setattr(
        "difftool.engine.preview.generate",
        lambda stage, request: seen.append(request) or generate(stage, request),
    )
    assert preview_sheet(stage, dataset, tmp_path / "sheet", 4).is_file()
    [request] = seen
    assert request.cond["class"] == ["above", "above", "left", "left"]
    brightest = [np.unravel_index(one.sum(0).argmax(), (4, 4)) for one in request.low]
    assert [place[0] < 2 for place in brightest[:2]] == [True, True]
    assert [place[1] < 2 for place in brightest[2:]] == [True, True]


# --- guidance ----------------------------------------------------------------------------------------------------------


class Watched:
    """A denoiser that notes the conditions it is given."""

    def __init__(self, seen: list) -> None:
        self.seen = seen

    def signals(self, cond):
        return cond

    def __call__(self, x, sigma, signals, mask):
        self.seen.append(signals)
        return x

    def null(self, cond):
        return {"class": torch.full_like(cond["class"], -1), "low": torch.zeros_like(cond["low"])}


def test_guidance_takes_away_what_a_user_gives_and_never_what_a_bridge_shows():
    seen: list[dict[str, torch.Tensor]] = []
    denoiser = Watched(seen)
    cond = {"class": torch.tensor([1, 2]), "low": torch.randn(2, 3, 4, 4)}
    for scale in (0.0, 3.0):
        classifier_free(denoiser, cond, scale=scale, kept=["low"])(torch.zeros(2, 3, 4, 4), 1.0)
    without, both = seen
    assert torch.equal(without["low"], cond["low"])
    assert without["class"].tolist() == [-1, -1]
    assert torch.equal(both["low"], torch.cat([cond["low"], cond["low"]]))
    assert both["class"].tolist() == [1, 2, -1, -1]


def test_sampling_tells_guidance_what_to_keep(stage):
    class Watching(ClassifierFree):
        kept = ()

        def bind(self, denoiser, cond, mask=None, *, kept=()):
            Watching.kept = kept
            return super().bind(denoiser, cond, mask, kept=kept)

    made(stage, low(1), guidance=Watching(GuidanceOptions(scale=2.0)))
    assert set(Watching.kept) == {"low", "low_level"}


# --- a bridge that works by entries that are known ---------------------------------------------------------------------


class Corner:
    """An earlier stage that makes the upper left quarter, which the later one keeps."""

    max_aug_level, crop_sizes = 0.0, ()

    def __init__(self, options: Options | None, description, representation) -> None:
        self.representation = representation

    def conditions(self):
        return ()

    def degrade(self, raw: Batch) -> Batch:
        return Batch(raw.x[:, :, :4, :4])

    def template(self, low: np.ndarray, raw: Batch) -> tuple[Batch, Batch]:
        return Batch(torch.from_numpy(low)[None]), raw

    def restore(self, batch: Batch) -> Batch:
        return batch

    def enforce_consistency(self, raw: Batch, low: Batch) -> Batch:
        return raw

    def encode(self, low: Batch, raw: Batch, level, rng) -> Batch:
        x, known = raw.x.clone(), torch.zeros(1, 1, 8, 8, dtype=torch.bool)
        x[:, :, :4, :4], known[..., :4, :4] = low.x, True
        batch = self.representation.encode(raw.with_x(x))
        return Batch(batch.x, batch.cond, batch.mask, known)


def test_what_a_bridge_says_is_known_is_kept():
    stage, _, _ = prepared(*small_run())
    stage = replace(stage, bridge=Corner(None, stage.description, stage.representation))
    given = low(3)
    for one, corner in zip(made(stage, given), given, strict=True):
        assert np.array_equal(one[:, :4, :4], corner)


@pytest.mark.parametrize(("agree", "level"), [(True, 0.0), (True, 0.3), (False, 0.0)])
def test_samples_agree_with_what_is_right(stage, agree, level):
    """Whatever the network makes; where noise was added, or a model made it, it is not trusted to the digit."""
    given = [np.full((3, 4, 4), 100 + 10 * i, np.uint8) for i in range(4)]
    again = stage.bridge.degrade(
        Batch(torch.from_numpy(np.stack(made(stage, given, level=level, agree=agree))))
    ).x.numpy()
    error = np.abs(
        again.astype(float) - np.stack(given)
    ).mean()  # what would be beyond black or white is cut off
    assert (error < 2) == (agree and not level)
