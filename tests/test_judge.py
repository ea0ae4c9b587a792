"""A judge learns labels and numbers, of arrays of any number of axes; its features tell fakes."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.conditioners.columns import LabelColumn, LabelsColumn, NumberColumn
from difftool.conditioners.text_column import TextColumn
from difftool.errors import UsageError
from difftool.judge.eye import POSITIONS, Eye
from difftool.judge.judge import Judge, is_held_out, trained_judge
from difftool.judge.target import Target, target, values, words_of
from difftool.metrics.captions import retrieved
from difftool.metrics.frechet import Frechet
from difftool.options import NoOptions
from difftool.workflows.judged import judge_of
from difftool.workflows.reference import ReferenceData
from difftool.workflows.reporter import SILENT
from difftool_image.modality import ImageModality
from difftool_image.options import ImageOptions

NUMBERS = np.arange(320)


def bars(n: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures with a bar that lies or stands, at any place."""
    rng = np.random.default_rng(seed)
    stands = rng.integers(2, size=n)
    seen = rng.normal(0, 8, (n, 1, 8, 8)) + 100
    for one, up in zip(seen, stands, strict=True):
        at = rng.integers(8)
        one[0][:, at] += 80 * up
        one[0][at] += 80 * (1 - up)
    return [one.round().astype(np.uint8) for one in seen], stands


@pytest.fixture(scope="module")
def judge():
    seen, stands = bars(len(NUMBERS))
    targets = [Target("class", "label", 2)]
    return trained_judge(
        seen, targets, {"class": stands}, NUMBERS, lambda steps, total: steps, steps=60
    )


def test_it_sees_the_label_and_says_how_well(judge):
    assert judge.quality["class"] > 0.9
    seen, stands = bars(200, seed=5)
    found = judge.features(seen, {"class": stands})
    assert (found.guesses["class"].argmax(1) == stands).mean() > 0.9
    assert found.guesses["class"].sum(1) == pytest.approx(np.ones(200))


def test_it_finds_pictures_again_by_the_words_of_their_captions(tmp_path):
    seen, stands = bars(len(NUMBERS))
    texts = [f"{'a bar that stands' if up else 'one, lying'} here" for up in stands]
    rows = [{"caption": text} for text in texts]
    column, _ = TextColumn.read("caption", rows)
    made = target(column, len(rows))
    assert (made.kind, made.width) == ("words", 256)
    asked = {"caption": values(column, rows)}
    made_of_words = trained_judge(seen, [made], asked, NUMBERS, lambda s, n: s, steps=80)
    assert made_of_words.quality["caption"] > 0.85
    made_of_words.save(tmp_path / "a.safetensors")
    again = Judge.load(tmp_path / "a.safetensors")
    some, up = bars(100, seed=5)
    words = [words_of("a bar that stands here" if one else "one lying here") for one in up]
    found = again.features(some, {"caption": np.stack(words)})
    assert retrieved(*found.alike["caption"]) > 0.85
    assert found.guesses == {}
    wrong = again.features(some, {"caption": np.stack(words)[::-1].copy()})
    assert retrieved(*wrong.alike["caption"]) < 0.7


def test_fakes_are_farther_than_new_data(judge):
    rng, (seen, _) = np.random.default_rng(3), bars(len(NUMBERS))
    known, new = judge.features(seen, {}), judge.features(bars(200, seed=5)[0], {})
    noise = judge.features(list(rng.integers(0, 255, (200, 1, 8, 8)).astype(np.uint8)), {})
    metric = Frechet(NoOptions(), None)
    near, far = (metric.measure_features(one, known)["distance"] for one in (new, noise))
    assert far > 5 * near


def test_an_example_is_judged_alone(judge):
    seen, _ = bars(9)
    together = judge.features(seen, {}).vectors
    assert judge.features(seen[4:5], {}).vectors[0] == pytest.approx(together[4], abs=1e-5)


def test_a_saved_judge_sees_the_same(judge, tmp_path):
    judge.save(tmp_path / "a.safetensors")
    again, (seen, _) = Judge.load(tmp_path / "a.safetensors"), bars(9)
    assert again.quality == judge.quality
    assert np.array_equal(again.features(seen, {}).vectors, judge.features(seen, {}).vectors)


def test_too_few_examples_are_refused():
    seen, _stands = bars(40)
    with pytest.raises(UsageError, match="40 examples are too few"):
        trained_judge(seen, [], {}, np.arange(40), lambda steps, total: steps)


def test_more_examples_of_the_same_data_get_a_judge_of_their_own(monkeypatch):
    monkeypatch.setattr("difftool.judge.judge.steps_for", lambda count: 1)
    seen, stands = bars(160)
    rows = [{"class": "ab"[up]} for up in stands]
    columns = {"class": LabelColumn.read("class", rows)[0]}

    def quality(count: int) -> dict[str, float]:
        data = ReferenceData("bars", seen[:count], rows[:count], NUMBERS[:count], "same")
        modality = ImageModality(ImageOptions(channels="grey", size=8))
        return judge_of(columns, rows[:count], modality, data, "cpu", SILENT).quality

    few, many = quality(120), quality(160)
    assert quality(120) == few
    assert many != few


def test_the_same_fifth_of_the_data_is_always_held_out():
    whole = is_held_out(np.arange(20000))
    assert whole.mean() == pytest.approx(0.2, abs=0.01)
    assert np.array_equal(whole[500:600], is_held_out(np.arange(500, 600)))


@pytest.mark.parametrize(
    "shape", [(5,), (2, 9), (3, 16, 11), (4, 3, 20, 20), (1, 2, 3, 4, 5), (1, 90, 90)]
)
def test_the_eye_brings_any_array_to_one_size_and_loses_nothing(shape):
    rng = np.random.default_rng(0)
    examples = [rng.normal(3, 2, shape) for _ in range(30)]
    eye = Eye.of(examples)
    found = eye.look(examples)
    assert found.shape[:2] == (30, eye.channels)
    assert np.prod(found.shape[2:]) <= POSITIONS
    real = found.reshape(30, -1)
    # the values, and a 1 for each place with a value
    assert np.square(real).sum() >= 30 * np.prod(shape) * 0.9
    assert len(np.unique(np.abs(real[0]).round(5))) >= 0.97 * np.prod(shape)


def test_smaller_examples_are_padded_and_larger_ones_cut():
    eye = Eye.of([np.ones((1, 6)) * i for i in range(9)] + [np.ones((1, 8)) * i for i in range(9)])
    found = eye.look([np.ones((1, 3)), np.ones((1, 30))])
    assert found.shape == (2, 2, 8)
    assert found[0, 1].tolist() == [1, 1, 1, 0, 0, 0, 0, 0]
    assert found[1, 1].tolist() == [1] * 8


def test_what_can_be_learnt_of_the_columns():
    rows = [{"class": "ab"[i % 2], "tags": "x;y" if i % 3 else "x", "size": i} for i in range(20)]
    label, labels, number = (
        kind.read(name, rows)[0]
        for kind, name in ((LabelColumn, "class"), (LabelsColumn, "tags"), (NumberColumn, "size"))
    )
    assert [target(one, 20).kind for one in (label, labels, number)] == [
        "label",
        "labels",
        "number",
    ]
    assert target(LabelColumn.read("name", [{"name": str(i)} for i in range(20)])[0], 20) is None
    assert values(label, [{"class": "b"}, {"class": None}, {}]).tolist() == [1, -1, -1]
    assert values(labels, [{"tags": "y"}]).tolist() == [[0, 1]]
