"""Guidance: what it gives, and how few evaluations it takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from difftool.batch import Batch
from difftool.guidance.bind import bind
from difftool.guidance.cfg import ClassifierFree, classifier_free
from difftool.guidance.experts import below
from difftool.guidance.guidance import Guidance, Sampling
from difftool.guidance.guided import Guided
from difftool.guidance.options import GuidanceOptions
from difftool.guidance.several import Several
from difftool.nn.backbone import Signals
from difftool.options import NoOptions

LABEL = torch.tensor([1.0, 2.0, -1.0])
X = torch.randn(3, 4, 2, generator=torch.Generator().manual_seed(0))
SIGMA = 0.7


def guide(denoiser, cond, mask=None, kept=(), **options):
    """Classifier-free guidance with these settings."""
    return ClassifierFree(GuidanceOptions(**options)).bind(denoiser, cond, mask, kept=kept)


class Toy:
    """A denoiser that leans towards its label, and counts what it is asked for."""

    def __init__(self, conditional: bool = True) -> None:
        self.conditional = conditional
        self.batches: list[int] = []

    def signals(self, cond: dict[str, Tensor]) -> Signals:
        return Signals(*cond.values())

    def __call__(
        self, x: Tensor, sigma: Tensor, signals: Signals, mask: Tensor | None = None
    ) -> Tensor:
        assert sigma.shape == (len(x),)
        assert sigma.dtype == x.dtype
        self.batches.append(len(x))
        label = signals.vector.nan_to_num(0.0) if self.conditional else x.new_zeros(len(x))
        x0 = (
            x / (1 + sigma[:, None, None] ** 2) * (1 + 0.3 * label[:, None, None])
            + 0.1 * label[:, None, None]
        )
        return x0 if mask is None else x0 * mask

    def null(self, cond: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"label": torch.full_like(cond["label"], torch.nan)} if self.conditional else {}


def given(x: Tensor = X, mask: Tensor | None = None) -> Tensor:
    return bind(Toy(), {"label": LABEL}, mask)(x, SIGMA)


def free(x: Tensor = X, mask: Tensor | None = None) -> Tensor:
    return bind(Toy(), {"label": torch.full((3,), torch.nan)}, mask)(x, SIGMA)


def test_guidance_extrapolates_in_one_batch():
    toy = Toy()
    guided = guide(toy, {"label": LABEL}, scale=3.0)(X, SIGMA)
    torch.testing.assert_close(guided, free() + 3 * (given() - free()))
    assert toy.batches == [6]


@pytest.mark.parametrize(("scale", "expected"), [(1.0, given), (0.0, free)])
def test_one_half_is_enough_at_scale_one_and_zero(scale, expected):
    toy = Toy()
    torch.testing.assert_close(guide(toy, {"label": LABEL}, scale=scale)(X, SIGMA), expected())
    assert toy.batches == [3]


@pytest.mark.parametrize("scale", [1.0, 1.0 + 1e-6])
def test_scale_is_continuous_at_one(scale):
    torch.testing.assert_close(guide(Toy(), {"label": LABEL}, scale=scale)(X, SIGMA), given())


def test_a_model_without_conditions_is_never_asked_twice():
    toy = Toy(conditional=False)
    guide(toy, {}, scale=3.0)(X, SIGMA)
    assert toy.batches == [3]


@pytest.mark.parametrize(
    ("sigma", "batch"),
    [(0.2, 3), (0.200001, 6), (1.0, 6), (1.000001, 3)],
    ids=["at low", "above low", "at high", "above high"],
)
def test_the_interval_is_open_below_and_closed_above(sigma, batch):
    toy = Toy()
    x0 = guide(toy, {"label": LABEL}, scale=2.0, low=0.2, high=1.0)(X, sigma)
    assert toy.batches == [batch]
    if batch == 3:
        assert torch.equal(x0, bind(toy, {"label": LABEL})(X, sigma))


def test_full_rescale_gives_back_the_conditional_spread():
    guided = guide(Toy(), {"label": LABEL}, scale=4.0, rescale=1.0)(X, SIGMA)
    torch.testing.assert_close(guided.flatten(1).std(1), given().flatten(1).std(1))


def test_half_a_rescale_is_half_way():
    none, half, full = (
        guide(Toy(), {"label": LABEL}, scale=4.0, rescale=r)(X, SIGMA) for r in (0.0, 0.5, 1.0)
    )
    torch.testing.assert_close(half, (none + full) / 2)


def test_a_constant_estimate_survives_rescaling():
    x0 = classifier_free(Toy(), {"label": torch.zeros(3)}, scale=2.0, rescale=0.7)(
        torch.zeros_like(X), SIGMA
    )
    assert torch.equal(x0, torch.zeros_like(X))


def test_padding_changes_nothing_for_the_real_entries():
    mask = torch.ones(3, 4, 1, dtype=torch.bool)
    x, padded = X[:, :3], X.clone()
    mask[:, 3:] = False
    padded[:, 3:] = 0
    short = guide(Toy(), {"label": LABEL}, scale=3.0, rescale=0.8)(x, SIGMA)
    long = guide(Toy(), {"label": LABEL}, mask, scale=3.0, rescale=0.8)(padded, SIGMA)
    torch.testing.assert_close(long[:, :3], short)
    assert long[:, 3:].eq(0).all()


def test_a_mask_that_all_examples_share():
    mask = torch.tensor([[[True], [True], [True], [False]]])
    guided = guide(Toy(), {"label": LABEL}, mask, scale=3.0)(X, SIGMA)
    torch.testing.assert_close(guided, free(mask=mask) + 3 * (given(mask=mask) - free(mask=mask)))


def test_clip_bounds_the_guided_estimate():
    x0 = guide(Toy(), {"label": LABEL}, scale=5.0, clip=1.0)(X, SIGMA)
    torch.testing.assert_close(x0, guide(Toy(), {"label": LABEL}, scale=5.0)(X, SIGMA).clamp(-1, 1))


def test_the_config_table_fits():
    default = guide(Toy(), {"label": LABEL}, **GuidanceOptions().model_dump())
    torch.testing.assert_close(default(X, SIGMA), given())


def test_examples_do_not_see_each_other():
    together = guide(Toy(), {"label": LABEL}, scale=3.0, rescale=0.5)(X, SIGMA)
    alone = guide(Toy(), {"label": LABEL[1:2]}, scale=3.0, rescale=0.5)(X[1:2], SIGMA)
    torch.testing.assert_close(together[1:2], alone)


def test_a_number_that_is_not_given_is_not_asked_for_twice():
    """Null of a number is NaN, which no comparison finds equal to itself."""
    batches = []

    class Numbered(Toy):
        def null(self, cond):
            return {name: torch.full_like(value, torch.nan) for name, value in cond.items()}

        def __call__(self, x, sigma, signals, mask=None):
            batches.append(len(x))
            return x

    guide(Numbered(), {"age": torch.full((len(X),), torch.nan)}, scale=3.0)(X, SIGMA)
    assert batches == [len(X)]


@pytest.mark.parametrize(
    ("sigma", "who"),
    [(0.05, "finest"), (0.1, "fine"), (0.4, "fine"), (0.5, "base"), (80.0, "base")],
)
def test_of_several_experts_the_lowest_that_is_above_serves(sigma, who):
    def named(name):
        return lambda x, sigma: name

    serving = below(named("base"), [(0.5, named("fine")), (0.1, named("finest"))])
    assert serving(X, sigma) == who
    assert below(named("base"), [])(X, sigma) == "base"


def test_an_expert_that_is_the_same_model_changes_nothing():
    denoise = guide(Toy(), {"label": LABEL}, scale=2.0, low=0.3)
    for sigma in (0.1, 0.5, 0.7, 3.0):
        assert torch.equal(below(denoise, [(0.6, denoise)])(X, sigma), denoise(X, sigma))


# --- several -----------------------------------------------------------------------------------


class Affine(Guidance):
    """``factor * D + shift``."""

    def __init__(self, factor: float, shift: float) -> None:
        super().__init__(NoOptions())
        self.factor, self.shift = factor, shift

    def bind(self, denoiser, cond, mask=None, *, kept=()):
        denoise = bind(denoiser, cond, mask)
        return lambda x, sigma: self.factor * denoise(x, sigma) + self.shift


COND = {"label": LABEL}
CFG = ClassifierFree(GuidanceOptions(scale=3.0))
DOUBLED, SHIFTED = Affine(2.0, 0.0), Affine(1.0, 1.0)


def test_the_first_guidance_is_nearest_to_the_model():
    outer = Several([SHIFTED, DOUBLED]).bind(Toy(), COND)(X, SIGMA)
    torch.testing.assert_close(outer, 2 * (given() + 1))
    inner = Several([DOUBLED, SHIFTED]).bind(Toy(), COND)(X, SIGMA)
    torch.testing.assert_close(inner, 2 * given() + 1)


def test_a_guidance_guides_the_model_that_those_before_it_make():
    """Classifier-free guidance extrapolates a shift of the conditional estimate too."""

    class Conditional(Affine):
        """Shifts the estimate of examples with a label."""

        def bind(self, denoiser, cond, mask=None, *, kept=()):
            denoise, labelled = bind(denoiser, cond, mask), ~cond["label"].isnan()
            return lambda x, sigma: denoise(x, sigma) + self.shift * labelled[:, None, None]

    shifted = Conditional(1.0, 1.0)
    before = Several([shifted, CFG]).bind(Toy(), COND)(X, SIGMA)
    torch.testing.assert_close(before, free() + 3 * (given() + 1 - free()))
    after = Several([CFG, shifted]).bind(Toy(), COND)(X, SIGMA)
    torch.testing.assert_close(after, free() + 3 * (given() - free()) + 1)


def test_grouping_does_not_matter():
    flat = Several([SHIFTED, CFG, DOUBLED]).bind(Toy(), COND)(X, SIGMA)
    for grouped in (
        [SHIFTED, Several([CFG, DOUBLED])],
        [Several([SHIFTED, CFG]), DOUBLED],
        [Several([]), SHIFTED, CFG, Several([DOUBLED])],
    ):
        assert torch.equal(Several(grouped).bind(Toy(), COND)(X, SIGMA), flat)


def test_one_guidance_is_itself_and_none_is_the_conditional_model():
    assert torch.equal(Several([CFG]).bind(Toy(), COND)(X, SIGMA), CFG.bind(Toy(), COND)(X, SIGMA))
    assert torch.equal(Several([]).bind(Toy(), COND)(X, SIGMA), given())


def test_a_guided_denoiser_is_a_denoiser():
    """It can be called as the model can, by a guidance that does not use ``bind``."""
    guided, mask = Guided(CFG, Toy(), ()), torch.ones(3, 4, 1, dtype=torch.bool)
    signals = guided.signals(COND)
    for real in (None, mask):
        called = guided(X, torch.full((3,), SIGMA), signals, real)
        assert torch.equal(called, CFG.bind(Toy(), COND, real)(X, SIGMA))
    assert guided.null(COND)["label"].isnan().all()


def test_all_know_the_batch_and_one_that_differentiates_makes_all_do():
    class Noting(Affine):
        differentiates = True

        def prepare(self, sampling):
            return Affine(1.0, float(len(sampling.sigmas)))

    several = Several([DOUBLED, Noting(1.0, 0.0)])
    assert several.differentiates
    assert not Several([DOUBLED, CFG]).differentiates
    assert Several([DOUBLED, CFG]).limited
    assert not Several([DOUBLED, ClassifierFree(GuidanceOptions(clip=1.0))]).limited
    ready = several.prepare(Sampling(range(3), (1.0, 0.5, 0.0), Batch(X)))
    torch.testing.assert_close(ready.bind(Toy(), COND)(X, SIGMA), 2 * given() + 3)
