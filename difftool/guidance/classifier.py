"""Classifier guidance: towards examples that a noise-aware classifier takes for the condition."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from ..classifier import Classifier
from ..context import Context
from ..denoiser import Cond, D
from ..errors import UsageError
from ..sampler import Denoise
from .bind import bind
from .guidance import Guidance
from .interval import within
from .options import ClassifierGuidanceOptions


class Recognising(Protocol):
    """ln p(condition | x; sigma), as ``Classifier`` gives it."""

    def log_probability(
        self, x: Tensor, sigma: Tensor, cond: Mapping[str, Tensor], mask: Tensor | None = None
    ) -> Tensor: ...


class ClassifierGuidance(Guidance):
    """D + scale sigma^2 grad_x ln p(y | x; sigma).

    Dhariwal & Nichol 2021, arXiv:2105.05233, Alg. 1; Song et al. 2021, arXiv:2011.13456, Eq. 14.
    With the score (D - x) / sigma^2 and scale 1 it is Bayes' rule: the score of p(x | y). The
    conditions are those of the options, then those that the samples are asked for.

    Args:
        asked: condition name -> value ``[1, ...]`` of the options.
    """

    options: ClassifierGuidanceOptions
    differentiates = True

    def __init__(
        self,
        options: ClassifierGuidanceOptions,
        classifier: Recognising,
        asked: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(options)
        self._classifier, self._asked = classifier, dict(asked or {})

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        if not options.model:
            raise UsageError(
                "Classifier guidance needs a classifier. Train one on the same data with `difftool "
                "train … --objective classifier`, and name its run with guidances.NAME.model."
            )
        opened = context.open(options.model)
        objective = getattr(opened, "objective", None)
        classifier = getattr(objective, "model", None)
        if not isinstance(classifier, Classifier):
            raise UsageError(
                f"{options.model} is not a classifier. Train one on the same data with `difftool "
                "train … --objective classifier`."
            )
        own, theirs = context.representation, getattr(opened, "representation", None)
        if own is not None and theirs is not None and own.shape != theirs.shape:
            raise UsageError(
                f"The classifier {options.model} takes examples of shape {tuple(theirs.shape)}, and "
                f"the model makes {tuple(own.shape)}. Train both on the same data and "
                "representation."
            )
        asked = {}
        for name, text in options.cond.items():
            if name not in classifier.columns:
                known = ", ".join(classifier.columns)
                raise UsageError(
                    f"The classifier {options.model} does not know the condition {name!r}. It knows: "
                    f"{known}."
                )
            column = classifier.columns[name]
            value = torch.from_numpy(column.batch([column.parse(text)]))
            asked[name] = value.to(context.device)
        return cls(options, classifier, asked)

    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        options, classifier, model = self.options, self._classifier, bind(denoiser, cond, mask)
        if options.scale == 0:
            return model

        def denoise(x: Tensor, sigma: float) -> Tensor:
            asked = dict(cond) | {
                name: value.expand(len(x), *value.shape[1:]) for name, value in self._asked.items()
            }
            with torch.enable_grad():
                x_ = x.detach().requires_grad_()
                level = x.new_full((len(x),), sigma)
                found = classifier.log_probability(x_, level, asked, mask)
                (slope,) = torch.autograd.grad(found.sum(), x_)
            x0 = model(x, sigma).detach() + options.scale * sigma**2 * slope
            return x0 if mask is None else x0 * mask

        if options.low > 0 or options.high is not None:
            return within(denoise, model, options.low, options.high)
        return denoise
