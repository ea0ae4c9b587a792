"""Negative values, values joined by AND, weighted words, and scales of single conditions."""

from __future__ import annotations

import pytest
import torch
from test_guidances import COND, LABEL, SIGMA, Gaussian, X, free, given
from torch import Tensor

from difftool import UsageError
from difftool.batch import Batch
from difftool.conditioners.columns import LabelColumn
from difftool.conditioners.options import TextOptions
from difftool.conditioners.text import Text
from difftool.conditioners.text_column import PADDING, TextColumn
from difftool.denoiser import Denoiser
from difftool.engine.wishes import Together, joined, parts_of, wish
from difftool.guidance.asked import Asked
from difftool.guidance.bind import bind
from difftool.guidance.cfg import ClassifierFree
from difftool.guidance.conjunction import Conjunction
from difftool.guidance.options import GuidanceOptions
from difftool.nn.backbone import Signals
from difftool.objective import drop_conditions
from difftool.rng import Stream

MODEL = Gaussian()
OTHER = torch.tensor([-1.0, 0.5, 4.0], dtype=torch.float64)


def at(label: Tensor) -> Tensor:
    return bind(MODEL, {"label": label})(X, SIGMA)


def guided(scale: float, denoiser, cond=COND) -> Tensor:
    return ClassifierFree(GuidanceOptions(scale=scale)).bind(denoiser, cond)(X, SIGMA)


def test_guidance_goes_away_from_a_negative_value():
    asked = Asked(MODEL, {"label": OTHER}, None, ())
    torch.testing.assert_close(guided(3.0, asked), at(OTHER) + 3 * (given() - at(OTHER)))
    null = Asked(MODEL, MODEL.null(COND), None, ())
    assert torch.equal(guided(3.0, null), guided(3.0, MODEL)), "null is the usual negative"


def test_a_conjunction_adds_what_each_part_adds():
    weights = torch.tensor([[1.0, 0.5], [1.0, -1.0], [1.0, 0.0]], dtype=torch.float64)
    parts = Asked(MODEL, {}, Conjunction("label", [LABEL, OTHER], weights), ())
    added = weights[:, 1].reshape(3, 1, 1) * (at(OTHER) - free())
    torch.testing.assert_close(bind(parts, COND)(X, SIGMA), given() + added)
    torch.testing.assert_close(guided(3.0, parts), free() + 3 * (given() + added - free()))
    assert torch.equal(bind(parts, {"label": OTHER})(X, SIGMA), at(OTHER)), "others are as they are"


def test_one_part_of_weight_one_is_the_value_itself():
    alone = Conjunction("label", [LABEL], torch.ones(3, 1, dtype=torch.float64))
    torch.testing.assert_close(bind(Asked(MODEL, {}, alone, ()), COND)(X, SIGMA), given())


class Two(Gaussian):
    """The mean is the sum of two conditions, and what they add together."""

    def signals(self, cond: dict[str, Tensor]) -> Signals:
        return Signals(vector=cond["label"] + cond["style"] + cond["label"] * cond["style"])


def test_each_condition_has_its_own_scale_and_is_added_on_those_before():
    model, cond, zero = Two(names=("label", "style")), {"label": LABEL, "style": OTHER}, 0 * LABEL

    def estimate(label: Tensor, style: Tensor) -> Tensor:
        return bind(model, {"label": label, "style": style})(X, SIGMA)

    def scaled(**options) -> Tensor:
        return ClassifierFree(GuidanceOptions(**options)).bind(model, cond)(X, SIGMA)

    none, one, both = estimate(zero, zero), estimate(LABEL, zero), estimate(LABEL, OTHER)
    torch.testing.assert_close(
        scaled(scales={"label": 5.0, "style": 2.0}), none + 5 * (one - none) + 2 * (both - one)
    )
    torch.testing.assert_close(
        scaled(scale=5, scales={"style": 2}), none + 5 * (one - none) + 2 * (both - one)
    )
    torch.testing.assert_close(scaled(scales={"label": 3, "style": 3}), scaled(scale=3))
    torch.testing.assert_close(scaled(scales={"label": 1, "style": 1}), both)
    torch.testing.assert_close(scaled(scales={"style": 0}), one)


def test_words_that_are_joined_are_read_with_their_weights():
    labels = LabelColumn("class", ("A", "B", "A AND B"), (1, 1, 1))
    both = wish(labels, "A :1.5 AND B")
    assert both == Together("A :1.5 AND B", ((0, 1.5), (1, 1.0)))
    assert wish(labels, "A AND B") == 2, "a label of that name is that label"
    assert parts_of(labels, [both, 1]) == ([[0, 1], [1, labels.null]], [[1.5, 1.0], [1.0, 0.0]])
    with pytest.raises(UsageError, match="is empty"):
        wish(labels, "A AND none")
    with pytest.raises(UsageError, match="class and of style"):
        joined({"class": [both], "style": [both]})


@pytest.fixture(scope="module")
def text() -> tuple[Text, TextColumn]:
    torch.manual_seed(0)
    rows = [{"caption": caption} for caption in ("a red letter", "a blue letter", "red and blue")]
    made = TextColumn.read_as("caption", rows, TextOptions())[0]
    return Text(TextOptions(token_width=16, width=8), made).eval(), made


def encoded(text: tuple[Text, TextColumn], prompt: str) -> Signals:
    encoder, made = text
    return encoder(torch.from_numpy(made.batch([made.parse(prompt)])))


def test_weighted_words_count_more_and_a_weight_of_one_changes_nothing(text):
    plain, same = encoded(text, "a red letter"), encoded(text, "a (red:1.0) letter")
    assert torch.equal(plain.tokens, same.tokens)
    assert torch.equal(plain.vector, same.vector)
    heavy = encoded(text, "a (red:1.5) letter")
    ratio = (heavy.tokens / plain.tokens)[0, plain.token_mask[0]].mean(-1)
    torch.testing.assert_close(ratio.unique(), torch.tensor([1.0, 1.5]), atol=1e-3, rtol=0)
    assert torch.equal(heavy.token_mask, plain.token_mask)
    assert text[1].show(text[1].parse("a (red:1.5) letter")) == "a (red:1.5) letter"


def test_captions_of_the_data_are_read_as_they_are(text):
    _, made = text
    assert (made.batch(["a (red:1.5) letter"]) < made.size).all()
    weighted = made.batch([made.parse("a (red:0) letter"), made.parse("a red letter")])
    assert ((weighted[0] == PADDING) == (weighted[1] == PADDING)).all()


def test_conditions_are_dropped_together():
    class Label(torch.nn.Module):
        dropout = 0.25

        def null(self, value: Tensor) -> Tensor:
            return torch.full_like(value, -1)

    denoiser = Denoiser.__new__(Denoiser)
    torch.nn.Module.__init__(denoiser)
    denoiser._names = ("a", "b")
    denoiser._conditioners = torch.nn.ModuleList([Label(), Label()])
    n = 20_000
    batch = Batch(torch.zeros(n, 1), {"a": torch.zeros(n), "b": torch.zeros(n)})

    def shares() -> tuple[float, float]:
        dropped = drop_conditions(denoiser, batch.cond, Stream(0, "test"))
        a, b = dropped["a"] < 0, dropped["b"] < 0
        return a.float().mean().item(), (a & b).float().mean().item()

    assert shares() == pytest.approx((0.25, 0.0625), abs=0.01)
    denoiser.drop_all = 0.5
    assert shares() == pytest.approx((0.625, 0.5 + 0.5 * 0.0625), abs=0.01)
