"""Metrics of features: closed forms, sets made so that the answer is known, and honest intervals."""

from __future__ import annotations

import numpy as np
import pytest

from difftool.description import Description
from difftool.engine.evaluate import compared_features
from difftool.engine.jackknife import jackknife, needed
from difftool.errors import UsageError
from difftool.judge.judge import is_held_out
from difftool.metric import Features
from difftool.metrics.agreement import Agreement
from difftool.metrics.captions import Captions, retrieved
from difftool.metrics.coverage import Coverage
from difftool.metrics.fairness import Fairness
from difftool.metrics.frechet import Frechet, frechet
from difftool.metrics.inception import InceptionScore, inception_score
from difftool.metrics.kernel import KernelDistance
from difftool.metrics.memorisation import Memorisation, nearest_pairs
from difftool.metrics.options import CoverageOptions, MemorisationOptions
from difftool.options import NoOptions

DATA = Description((1,), "float32", 1)
FRECHET, KERNEL = Frechet(NoOptions(), DATA), KernelDistance(NoOptions(), DATA)
COVERAGE = Coverage(CoverageOptions(), DATA)
MEMORISATION = Memorisation(MemorisationOptions(), DATA)


def normal(n: int, d: int = 4, seed: int = 0, shift: float = 0.0, width: float = 1.0) -> Features:
    x = np.random.default_rng(seed).normal(shift, width, (n, d))
    return Features(x, numbers=np.full(n, -1))


def data(n: int, d: int = 4, seed: int = 99) -> Features:
    return Features(normal(n, d, seed).vectors, numbers=np.arange(n))


def test_the_frechet_distance_of_gaussians_has_its_closed_form():
    """For covariances that commute it is |m - m'|^2 + |C^(1/2) - C'^(1/2)|^2."""
    rng = np.random.default_rng(0)
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    a, b, m, n = rng.uniform(0, 2, (4, 5))
    a[0] = 0  # a direction without any spread
    found = frechet(m, turn * a @ turn.T, n, turn * b @ turn.T)
    assert found == pytest.approx(
        np.square(m - n).sum() + np.square(np.sqrt(a) - np.sqrt(b)).sum(), abs=1e-9
    )
    assert frechet(m, turn * a @ turn.T, m, turn * a @ turn.T) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_others_is_that_of_the_root_of_their_product():
    from scipy.linalg import sqrtm

    x, y = normal(50, 6).vectors @ np.random.default_rng(1).normal(size=(6, 6)), normal(60, 6, 2)
    found = FRECHET.measure_features(Features(x), y)["distance"]
    c, d = np.cov(x.T), np.cov(y.vectors.T)
    apart = np.square(x.mean(0) - y.vectors.mean(0)).sum()
    assert found == pytest.approx(apart + np.trace(c + d - 2 * sqrtm(c @ d).real), abs=1e-6)


def test_kernel_distances_are_unbiased():
    """Over many small sets of one distribution the mean is 0, which a biased one is far from."""
    reference = data(300)
    found = np.array(
        [
            list(
                KERNEL.measure_features(normal(8, seed=seed), normal(12, seed=1000 + seed)).values()
            )
            for seed in range(400)
        ]
    )
    assert abs(found.mean(0) / (found.std(0) / 20)).max() < 3
    apart = KERNEL.measure_features(normal(100, shift=1.0), reference)
    assert (np.array(list(apart.values())) > 4 * found.std(0)).all()


def test_kid_is_its_formula_over_pairs():
    x, y = normal(5).vectors, normal(6, seed=1).vectors
    k = lambda a, b: (a @ b / 4 + 1) ** 3  # noqa: E731
    within = [
        np.mean([k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])
        for z in (x, y)
    ]
    expected = sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])
    found = KERNEL.measure_features(Features(x), Features(y))["kid"]
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("examples", "expected"),
    [
        (data(60).vectors, {"precision": 1, "recall": 1, "coverage": 1}),
        (data(60).vectors + 100, {"precision": 0, "recall": 0, "density": 0, "coverage": 0}),
        # all in one spot of the data: good, and not varied
        (data(60).vectors[:1] + 1e-6 * normal(60).vectors, {"precision": 1, "recall": 0}),
    ],
    ids=["the data itself", "elsewhere", "one mode"],
)
def test_precision_and_recall_of_sets_that_are_made_for_it(examples, expected):
    found = COVERAGE.measure_features(Features(examples), data(60))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.02)


def test_precision_recall_density_and_coverage_are_their_formulas():
    x, y, k = normal(20).vectors, normal(30, seed=3).vectors, 5
    reach = [sorted(np.linalg.norm(y - one, axis=1))[k] for one in y]
    inside = np.array(
        [[np.linalg.norm(a - b) <= r for b, r in zip(y, reach, strict=True)] for a in x]
    )
    found = COVERAGE.measure_features(Features(x), Features(y))
    assert found["density"] == pytest.approx(inside.sum() / (k * 20), abs=1e-9)
    assert found["coverage"] == pytest.approx(inside.any(0).mean(), abs=1e-9)
    assert found["precision"] == pytest.approx(inside.any(1).mean(), abs=1e-9)
    around = [sorted(np.linalg.norm(x - one, axis=1))[k] for one in x]
    recalled = [any(np.linalg.norm(b - a) <= r for a, r in zip(x, around, strict=True)) for b in y]
    assert found["recall"] == pytest.approx(np.mean(recalled), abs=1e-9)
    with pytest.raises(UsageError, match="too few"):
        COVERAGE.measure_features(Features(x[:k]), Features(y))


def test_copies_are_told_and_new_examples_are_not():
    known, new = data(400, 8), normal(200, 8, seed=5)
    near = known.vectors[:100] + 0.02 * normal(100, 8, seed=6).vectors
    half = Features(np.concatenate([near, new.vectors[:100]]), numbers=np.full(200, -1))
    assert MEMORISATION.measure_features(half, known)["near_copies"] == pytest.approx(0.5, abs=0.02)
    found = MEMORISATION.measure_features(new, known)
    assert found["near_copies"] == 0
    assert found["distance"] == pytest.approx(1, abs=0.1)
    # an example of the data is not a copy of itself
    own = MEMORISATION.measure_features(known.part(np.arange(100)), known)
    assert own["near_copies"] == 0
    assert own["distance"] == pytest.approx(1, abs=0.1)


def test_the_nearest_samples_are_shown_beside_their_neighbours():
    known = data(200, 8)
    new = normal(20, 8, seed=5)
    new.vectors[7] = known.vectors[33] + 0.01
    (first, second) = nearest_pairs(new, known, 2)
    assert first[:2] == (7, 33)
    assert first[2] < 0.05 < second[2]
    apart = np.linalg.norm(known.vectors - new.vectors[second[0]], axis=1)
    assert second[1] == apart.argmin()


def test_the_inception_score_is_between_one_and_the_number_of_labels():
    sure = np.eye(4)[np.arange(40) % 4]
    assert inception_score(sure) == pytest.approx(4)
    assert inception_score(np.full((40, 4), 0.25)) == pytest.approx(1)
    assert inception_score(sure[:1].repeat(40, 0)) == pytest.approx(1)  # sure of one and the same
    with pytest.raises(UsageError, match="labels"):
        InceptionScore(NoOptions(), DATA).measure_features(normal(4), data(4))


def test_agreement_counts_what_was_asked_for():
    guess = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.5, 0.5]])
    examples = Features(
        np.zeros((4, 1)),
        {"class": guess, "size": np.array([1.0, 2.0, 5.0, 9.0])},
        {"class": np.array([0, 1, 1, -1]), "size": np.array([1.0, 4.0, np.nan, 9.0])},
    )
    reference = Features(np.zeros((2, 1)), {}, {"size": np.array([0.0, 4.0])})
    found = Agreement(NoOptions(), DATA).measure_features(examples, reference)
    assert found["class_right"] == pytest.approx(2 / 3)
    assert found["size_error"] == pytest.approx(np.sqrt(4 / 3) / 2)


def test_texts_are_found_among_others_however_many_there_are():
    """Of random vectors 1 in 16; of the right ones all; a half of both kinds lies between."""
    rng = np.random.default_rng(0)
    seen, other = (
        x / np.linalg.norm(x, axis=1, keepdims=True) for x in rng.normal(size=(2, 900, 40))
    )
    assert retrieved(seen, other) == pytest.approx(1 / 16, abs=0.02)
    assert retrieved(seen, seen) == 1
    half = np.where(np.arange(900)[:, None] % 2, seen, other)
    assert retrieved(seen, half) == pytest.approx(0.5 + 0.5 / 16, abs=0.03)
    assert retrieved(seen[:100], half[:100]) == pytest.approx(0.5 + 0.5 / 16, abs=0.05)
    assert np.isnan(retrieved(seen, np.repeat(seen[:1], 900, 0))), "one text is always right"
    nothing = Features(seen, alike={"caption": (seen, 0 * seen)})
    assert np.isnan(Captions(NoOptions(), DATA).measure_features(nothing, nothing)["caption_score"])
    with pytest.raises(UsageError, match="No text"):
        Captions(NoOptions(), DATA).measure_features(normal(3), data(3))


def test_the_worst_class_is_found_and_rare_ones_are_left_out():
    asked = np.repeat([0, 1, 2], [20, 20, 2])
    right = np.concatenate([np.arange(20) < 18, np.arange(20) < 9, [False, False]])
    guess = np.eye(3)[np.where(right, asked, (asked + 1) % 3)]
    examples = Features(np.zeros((42, 1)), {"class": guess}, {"class": asked})
    found = Fairness(NoOptions(), DATA).measure_features(examples, data(4))
    assert found == pytest.approx({"class_worst": 0.45, "class_gap": 0.45})
    with pytest.raises(UsageError, match="labels"):
        Fairness(NoOptions(), DATA).measure_features(normal(4), data(4))


def test_what_does_not_apply_is_left_out_silently_beside_others_and_told_alone():
    metrics = {"frechet": FRECHET, "captions": Captions(NoOptions(), DATA)}
    assert [one.metric for one in compared_features(metrics, normal(30), data(60))] == ["frechet"]
    (alone,) = compared_features({"captions": metrics["captions"]}, normal(30), data(60))
    assert "No text" in alone.missing


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (FRECHET, "distance"),
        pytest.param(KERNEL, "mmd", marks=pytest.mark.heavy),
        pytest.param(COVERAGE, "precision", marks=pytest.mark.heavy),
    ],
)
def test_intervals_cover_the_value_of_very_many_samples(metric, name):
    """Of 100 draws, about 95; with 120 the chance of fewer than 88 in 100 is under a thousandth."""
    known, many = data(300), normal(6000, shift=0.3, seed=7)
    truth = metric.measure_features(many, known)[name]
    inside = 0
    for draw in range(120):
        some = normal(150, shift=0.3, seed=100 + draw)
        numbers, errors = jackknife(
            lambda at, some=some: metric.measure_features(some.part(at), known),
            150,
            corrected=metric.corrected,
            is_share=metric.is_share,
        )
        inside += abs(numbers[name] - truth) <= 1.96 * errors[name]
    assert 0.88 <= inside / 120 <= 0.995


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("metric", "name"),
    [(FRECHET, "distance"), (KERNEL, "kid"), (KERNEL, "mmd"), (COVERAGE, "precision")],
)
@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_intervals_cover_the_value_of_20000_samples_in_93_to_97_of_100_draws(metric, name, shift):
    """The share of 400 draws has a standard error of a hundredth itself."""
    share = covered(metric, name, shift, draws=400)
    assert 0.93 - 0.015 <= share <= 0.97 + 0.015


def covered(metric, name, shift, draws, n=256, many=20_000) -> float:
    """How often the interval of n samples holds the value of very many."""
    known = data(500)
    # in parts, as 20,000 rows beside each other do not fit; all but the corrected one are means
    large = normal(many, shift=shift, seed=7)
    truth = (
        metric.measure_features(large, known)[name]
        if metric.corrected
        else np.mean([
            metric.measure_features(large.part(np.arange(at, at + 2000)), known)[name]
            for at in range(0, many, 2000)
        ])
    )  # fmt: skip
    inside = 0
    for draw in range(draws):
        some = normal(n, shift=shift, seed=100 + draw)
        numbers, errors = jackknife(
            lambda at, some=some: metric.measure_features(some.part(at), known),
            n,
            corrected=metric.corrected,
            is_share=metric.is_share,
        )
        inside += abs(numbers[name] - truth) <= 1.96 * errors[name]
    return inside / draws


def test_a_share_of_none_or_of_all_has_an_error():
    for share in (0.0, 1.0):
        measure = lambda at, share=share: {"share": share}  # noqa: E731
        _, errors = jackknife(measure, 60, corrected=False, is_share=lambda name: True)
        assert errors["share"] == pytest.approx(np.sqrt(2 * 62) / 64**1.5, rel=1e-9)


def test_the_number_that_is_needed_shows_a_difference():
    """A mean that differs by a tenth of its spread needs 2 x 1.96^2 x 100 examples."""
    assert needed(100, 0.1, 0.1, 0.0, 0.1) == 769
    assert needed(100, 0.1, 0.1, 0.1, 0.1) is None
    assert needed(100, 0.1, float("nan"), 0.0, 0.1) is None


def test_data_that_the_judge_has_not_seen_are_compared_with_what_it_has_seen():
    class Numbers(Memorisation):
        def measure_features(self, examples, data):
            return {
                "held": float(is_held_out(examples.numbers).mean())
                if examples.numbers[0] >= 0
                else 0.0,
                "seen": float(is_held_out(data.numbers).mean()),
            }

    Numbers.whole = False
    (found,) = compared_features(
        {"numbers": Numbers(MemorisationOptions(), DATA)}, normal(30), data(500)
    )
    assert found.data == {"held": 1.0, "seen": 0.0}
    assert found.samples["seen"] == 0.0
