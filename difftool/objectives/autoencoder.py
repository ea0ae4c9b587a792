"""autoencoder: examples from few latents, in which another model can diffuse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from ..batch import Batch
from ..context import Context
from ..errors import UsageError
from ..nn.autoencoder.bottleneck import Coded
from ..nn.autoencoder.critic import Critic, hinge
from ..nn.autoencoder.gaussian import Gaussian
from ..nn.autoencoder.network import Autoencoder, cut
from ..nn.layers import precise
from ..objective import Moment, Objective, Player
from ..rng import Rng
from ..shapes import expand_as
from .alignment import Alignment
from .autoencoder_options import AutoencoderOptions
from .equivariance import shifted, shrunk
from .eyes import Eyes, FrozenEyes, LearningJudge, seen_error
from .reconstruction import gradient_error, mean_over_real, size_of, spectral_error

CODER, CRITIC, JUDGE = "autoencoder", "critic", "judge"


class Autoencoding(Objective):
    """|decode(encode(x)) - x| with a bottleneck, as in latent diffusion.

    Rombach et al. 2022, arXiv:2112.10752, App. G. The critic, a second player, starts late, and its
    weight follows the other losses (Esser et al. 2021, arXiv:2012.09841, Eq. 7). A judge, a third
    one, learns what tells the examples apart, where reconstructions are compared or latents aligned
    by what it sees.

    Raises:
        UsageError: the examples have more than three axes, or options do not fit them.
    """

    generative = False
    options: AutoencoderOptions

    def __init__(self, options: AutoencoderOptions, context: Context) -> None:
        super().__init__(options, context)
        assert context.representation is not None
        channels, *sizes = context.representation.shape
        if channels is None or not 1 <= len(sizes) <= 3:
            raise UsageError(
                f"The objective autoencoder does not take examples of shape "
                f"{context.representation.shape}. It needs channels and one to three axes."
            )
        self.autoencoder = Autoencoder(options, channels, len(sizes))
        self.critic: Critic | None = None
        self.judge: LearningJudge | None = None
        self.alignment: Alignment | None = None
        self._eyes = list[Eyes]()  # in a list: a pretrained network is not saved again
        if context.learns:
            self._prepare(context, channels, len(sizes))
        oscillates = context.representation.oscillates
        self.spectral = float(oscillates) if options.spectral == "auto" else options.spectral

    def _prepare(self, context: Context, channels: int, dimension: int) -> None:
        """What only training needs."""
        options, representation = self.options, context.representation
        assert representation is not None
        self.precision = self.autoencoder.precision = context.precision or torch.float32
        if options.frozen == "encoder":
            self.autoencoder.encoder.requires_grad_(False)
        if options.adversary:
            self.critic = Critic(options, channels, dimension)
        if not (options.perceptual or options.align):
            return
        if options.features == "judge":
            self.judge = LearningJudge(context.description, representation.shape)
            self._eyes.append(self.judge)
        else:
            self._eyes.append(FrozenEyes(options.features, channels, dimension, context.device))
        if options.align:
            self.alignment = Alignment(options.latents, self._eyes[0].channels, dimension)

    @property
    def model(self) -> nn.Module:
        return self.autoencoder

    def players(self) -> Sequence[Player]:
        learnt: nn.Module = self.autoencoder
        if self.alignment is not None:
            learnt = nn.ModuleList([self.autoencoder, self.alignment])
        players = [Player(CODER, learnt)]
        if self.critic is not None:
            players.append(Player(CRITIC, self.critic, averaged=False))
        if self.judge is not None:
            players.append(Player(JUDGE, self.judge, averaged=False))
        return players

    def loss(self, batch: Batch, rng: Rng, moment: Moment, player: str) -> Tensor:
        if player == CRITIC:
            return self.loss_of_critic(batch, rng, moment)
        if player == JUDGE:
            assert self.judge is not None
            return self.judge.loss(batch, rng).expand(len(batch))
        bottleneck = self.autoencoder.bottleneck
        h, mask = self.autoencoder.features(batch.x, batch.mask)
        if self.training and self.options.frozen != "encoder":
            bottleneck.observe(h, mask, rng)
        z = bottleneck.sample(bottleneck.moments(h), rng)
        made = self.decoded(self.disturbed(z, rng), mask, batch)
        error = self.error(batch.x, made, batch.mask)
        total = error + bottleneck.penalty(h, mask)
        if self.options.equivariance and mask is None:
            total = total + self.options.equivariance * self.error_of_changed(batch, z, rng)
        if self._eyes:
            total = total + self.error_seen(batch, made, z, mask)
        if self.critic is not None and self.begun(moment):
            total = total + self.options.adversary * self.deceit(made, error, batch)
        return total

    def decoded(self, z: Tensor, mask: Tensor | None, batch: Batch) -> Tensor:
        """Reconstructions of the batch's sizes, zero on padding."""
        made = cut(self.autoencoder.decode(z, mask), batch.x.shape[2:])
        return self.space.project(made, batch.mask)

    def error(self, x: Tensor, made: Tensor, mask: Tensor | None) -> Tensor:
        """``[b]``: the error of reconstructions."""
        total = mean_over_real(size_of(made - x, self.options.error), mask)
        if self.options.gradient:
            total = total + self.options.gradient * gradient_error(x, made, mask)
        if self.spectral:
            total = total + self.spectral * spectral_error(x, made, mask)
        return total

    def disturbed(self, z: Tensor, rng: Rng) -> Tensor:
        """Latents with noise of a level that differs from example to example."""
        if not self.options.noise:
            return z
        level = self.options.noise * z.detach().std() * rng.uniform((len(z),))
        return z + expand_as(level, z) * rng.normal(z.shape)

    def error_of_changed(self, batch: Batch, z: Tensor, rng: Rng) -> Tensor:
        """``[b]``: decode(T z) against T x, where T makes smaller or shifts, as drawn.

        Kouzelis et al. 2025, arXiv:2502.09509, Eq. 4. Time is not changed in a causal network.
        """
        ways = {"scale": shrunk, "shift": shifted}
        names = self.options.equivariant_to
        change = ways[names[int(float(rng.uniform((1,))) * len(names))]]
        kept = 1 if self.autoencoder.causal else 0
        changed, wanted = change(z, batch.x, self.autoencoder.reduction, kept, rng)
        made = cut(self.autoencoder.decode(changed), wanted.shape[2:])
        return mean_over_real(size_of(made - wanted, self.options.error), None)

    def error_seen(self, batch: Batch, made: Tensor, z: Tensor, mask: Tensor | None) -> Tensor:
        """``[b]``: how differently examples and reconstructions are seen, and how far the latents
        are from what is seen.
        """
        (eyes,), found = self._eyes, z.new_zeros(len(z))
        with torch.no_grad():
            wanted = eyes.maps(batch.x, batch.mask)
        if self.options.perceptual:
            shown = eyes.maps(made, batch.mask)
            found = found + self.options.perceptual * seen_error(wanted, shown)
        if self.alignment is not None:
            found = found + self.options.align * self.alignment(z, wanted[-1], mask)
        return found

    # --- the critic ---

    def begun(self, moment: Moment) -> bool:
        """Whether the critic takes part."""
        return moment.step >= self.options.critic_start * moment.steps

    def loss_of_critic(self, batch: Batch, rng: Rng, moment: Moment) -> Tensor:
        """``[b]``: the hinge loss; 0 before the critic takes part."""
        assert self.critic is not None
        if not self.begun(moment):
            nothing = sum(p.sum() for p in self.critic.parameters())
            return 0 * nothing * batch.x.new_ones(len(batch))
        with torch.no_grad():
            h, mask = self.autoencoder.features(batch.x, batch.mask)
            bottleneck = self.autoencoder.bottleneck
            made = self.decoded(bottleneck.sample(bottleneck.moments(h), rng), mask, batch)
        return hinge(self.judged(batch.x, batch.mask), self.judged(made, batch.mask))

    def judged(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """The critic's logits, float32."""
        assert self.critic is not None
        with precise(self.precision, x.device):
            return self.critic(x, mask).float()

    def deceit(self, made: Tensor, error: Tensor, batch: Batch) -> Tensor:
        """``[b]``: how far the critic is from taking reconstructions for examples.

        Scaled so that its gradient at the last layer is as large as that of the error (Esser et al.
        2021, Eq. 7).
        """
        assert self.critic is not None
        found = -self.judged(made, batch.mask).flatten(1).mean(1)
        if not found.requires_grad:
            return found
        last = self.autoencoder.decoder.head.weight
        assert isinstance(last, Tensor)
        of_error, of_critic = (
            torch.autograd.grad(loss.mean(), last, retain_graph=True)[0].norm()
            for loss in (error, found)
        )
        return found * (of_error / (of_critic + 1e-4)).clamp(0, 1e4).detach()

    # --- what is shown and said ---

    def stepped(self, moment: Moment) -> None:
        if self.options.frozen != "encoder":
            self.autoencoder.bottleneck.stepped()

    def reconstruct(self, batch: Batch) -> Batch:
        made = self.autoencoder(batch.x, batch.mask)
        return batch.with_x(self.space.project(made, batch.mask))

    def complaints(self, batch: Batch) -> Iterable[str]:
        explained = self.explained(batch)
        h, mask = self.autoencoder.features(batch.x, batch.mask)
        bottleneck = self.autoencoder.bottleneck
        health = bottleneck.health(h, mask)
        if explained < 0.1:
            yield (
                f"Reconstructions explain {max(0.0, explained):.0%} of what differs between the "
                "examples: they are nearly all the same. Train longer, lower optimizer.lr, or give "
                "the latents more room with objective.latents."
            )
        if isinstance(bottleneck, Gaussian) and health["used"] < 0.5:
            yield (
                f"{1 - health['used']:.0%} of the latents' channels say nothing: their "
                "distribution is a unit Gaussian for every example. Lower objective.kl_weight, or "
                "raise objective.free_nats to 0.1, so that saying something costs nothing."
            )
        if isinstance(bottleneck, Coded) and health["perplexity"] < 0.05 * bottleneck.count:
            yield (
                f"The codes are used as if there were {health['perplexity']:.1f} of "
                f"{bottleneck.count:,}: most are dead. Use fewer with objective.codes or "
                "objective.levels, or raise objective.restart_below."
            )

    def explained(self, batch: Batch) -> float:
        """The share of the variance between examples that reconstructions have."""
        made = self.reconstruct(batch).x
        mean = batch.x.mean(0, keepdim=True)
        error = self.space.mean_square(made - batch.x, batch.mask).mean()
        spread = self.space.mean_square(batch.x - mean, batch.mask).mean()
        return float(1 - error / spread.clamp_min(1e-12))
