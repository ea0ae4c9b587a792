"""Guidance: changes the estimate that a sampler is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from ..batch import Batch
from ..context import Context
from ..denoiser import Cond, D
from ..options import Options
from ..sampler import Denoise


@dataclass(frozen=True, slots=True)
class Sampling:
    """One batch of samples, before its first step.

    Attributes:
        indices: number of each sample; a sample depends on its number and the seed only.
        sigmas: the noise levels that the sampler visits, decreasing; the last is 0.
        template: the samples in model units. Its ``x`` has their shape, and their values where
            ``observed`` marks them; ``cond`` and ``mask`` are those that ``bind`` is given.
    """

    indices: Sequence[int]
    sigmas: Sequence[float]
    template: Batch


class Guidance(ABC):
    """Turns a denoiser ``D(x; sigma, cond)`` into the ``denoise(x, sigma) -> x0`` of a sampler.

    A configuration has a list of guidances: ``[guidance]``, then ``[guidances.NAME]`` in the order
    in which they are written. Each is given the result of the one before as its denoiser, and the
    first is given the model. A guidance may do three kinds of work:

    1. Combine estimates under other conditions. ``bind`` binds the denoiser to conditions as often
       as it needs, evaluates the results and combines them. Classifier-free guidance and APG are
       of this kind. One that only changes an estimate, such as thresholding, binds the denoiser
       once. One that depends on the next noise level (CFG++) finds it in ``prepare``'s ``sigmas``.

    2. Use another model, or other weights of this one (autoguidance). ``build`` opens it once, with
       the run; ``opened.denoiser`` has the model's interface, so ``bind`` binds it as well:

           @classmethod
           def build(cls, options, context):
               return cls(options, context.open(options.run).denoiser)

       ``context.open`` also takes a snapshot of a run, and ``ema=`` chooses the average. The other
       model must take the same conditions and the same model units.

    3. Follow the gradient of a measurement (a classifier, reconstruction guidance). Such a class
       sets ``differentiates = True``, and its estimate enables gradients itself:

           def denoise(x, sigma):
               with torch.enable_grad():
                   x = x.detach().requires_grad_()
                   x0 = model(x, sigma)
                   (slope,) = torch.autograd.grad(loss(x0).sum(), x)
               return x0.detach() - scale * slope

       ``build`` takes what the measurement needs from the context, such as the representation, and
       ``prepare`` the values that are observed.

    Samplers, tiles, experts and given parts of an example know nothing of guidance: tiles lie
    inside it, the others around it.

    Attributes:
        differentiates: whether it needs gradients through the denoiser. Sampling then records
            operations for ``torch.enable_grad`` and replays no CUDA graphs, which is slower.
        limited: whether the engine keeps its estimates where the data lie, at noise levels at which
            the process amplifies errors. Of several guidances, each can switch that off.
        recordable: whether a recorded evaluation of the denoiser may be replayed. Not for one that
            changes the network for some evaluations.
    """

    differentiates: bool = False
    recordable: bool = True
    limited: bool = True

    def __init__(self, options: Options) -> None:
        self.options = options

    @classmethod
    def build(cls, options: Any, context: Context) -> Self:
        """A guidance for a model. Override it to open another run or to take parts of the model.

        Args:
            context: the model: its description, representation, process and denoiser, the device,
                and ``open(path)`` for other models. Models that it opens are not saved with this
                one: they must be there whenever it is sampled.
        """
        return cls(options)

    def prepare(self, sampling: Sampling) -> Guidance:
        """The guidance for one batch of samples; by default itself, for any batch.

        Override it to return a new object that knows the batch's noise levels or observed values.
        It must not change this one.
        """
        return self

    @abstractmethod
    def bind(
        self, denoiser: D, cond: Cond, mask: Tensor | None = None, *, kept: Collection[str] = ()
    ) -> Denoise:
        """The guided model for these conditions, which are encoded here, once for all evaluations.

        Use ``difftool.bind(denoiser, cond, mask)`` to evaluate the denoiser under conditions.

        Args:
            denoiser: the model, or the guidance before this one. ``null(cond)`` gives the same
                conditions as "not given".
            cond: condition name -> ``[b, ...]``. A guidance after this one may bind several
                versions of each example in one batch, as classifier-free guidance does.
            mask: broadcasts to ``x``; True marks real entries.
            kept: conditions that the model must always be given, such as those of a bridge.

        Returns:
            ``denoise(x [b, ...], sigma) -> x0 [b, ...]``, which does not write to ``x`` and whose
            result requires no gradient.
        """
