"""Losses of photos, and the wrappers around them: ensembles, transforms, best so far, stop rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from recessive.encoders import Encoder, encode
from recessive.protection.optimise import Evaluation, GradientError, PhotoLoss
from recessive.quality import coarse_ssim


class Objective(Protocol):
    """A loss of an encoder's outputs; holds what it needs (original codes, anchors, curves) as tensors."""

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Outputs (N, D), progress in [0, 1], to losses (N,)."""
        ...

    def score(self, outputs: Tensor) -> Tensor:
        """Outputs (N, D) to what is really meant to be small (N,); the loss itself where that is it."""
        ...

    def of(self, rows: Tensor) -> Objective:
        """The same objective for some photos of the batch: `rows` are their indices (M,)."""
        ...


@dataclass(frozen=True)
class Ensemble:
    """Several encoders at once: loss(x) = Σ_e objective_e(encoder_e(x)), the scores summed likewise.

    Attributes:
        encoders: one or more; those that share a trunk cost one pass.
        objectives: one an encoder.
    """

    encoders: Sequence[Encoder]
    objectives: Sequence[Objective]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`.

        Raises:
            GradientError: an encoder's outputs cannot be differentiated, and a gradient is asked for.
        """
        pairs = list(zip(self.objectives, encode(self.encoders, photos), strict=True))
        if photos.requires_grad and torch.is_grad_enabled():
            for encoder, (_, outputs) in zip(self.encoders, pairs, strict=True):
                if not outputs.requires_grad:
                    raise GradientError(
                        f"{encoder.name} passes no gradient: choose another --encoder, or a --method that needs no "
                        "gradients, such as mosaic or gaussian-noise"
                    )
        loss = torch.stack([objective(outputs, progress) for objective, outputs in pairs]).sum(0)
        with torch.no_grad():
            score = torch.stack([objective.score(outputs) for objective, outputs in pairs]).sum(0)
        return Evaluation(loss, score, torch.zeros_like(loss, dtype=torch.bool))

    def of(self, rows: Tensor) -> Ensemble:
        """See `PhotoLoss`."""
        return Ensemble(self.encoders, [objective.of(rows) for objective in self.objectives])


@dataclass(frozen=True)
class Together:
    """Σ_i weight_i loss_i(x), the scores summed likewise; a photo is done when every loss calls it so.

    Attributes:
        losses: one or more.
        weights: one a loss.
    """

    losses: Sequence[PhotoLoss]
    weights: Sequence[float]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluations = [loss(photos, progress) for loss in self.losses]
        return Evaluation(
            torch.stack([w * e.loss for w, e in zip(self.weights, evaluations, strict=True)]).sum(0),
            torch.stack([w * e.score for w, e in zip(self.weights, evaluations, strict=True)]).sum(0),
            torch.stack([e.done for e in evaluations]).all(0),
        )

    def of(self, rows: Tensor) -> Together:
        """See `PhotoLoss`."""
        return Together([loss.of(rows) for loss in self.losses], self.weights)


@dataclass(frozen=True)
class OverTransforms:
    """Expectation over transforms: loss(x) = mean_t loss(t(x)), the scores averaged likewise.

    Athalye et al., "Synthesizing robust adversarial examples", 2018, Eq. 1, with a fixed set of transforms.

    Attributes:
        loss: of the transformed photos.
        transforms: (N, 3, H, W) to (N, 3, H', W'), differentiable.
    """

    loss: PhotoLoss
    transforms: Sequence[Callable[[Tensor], Tensor]]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`; a photo is done when it is so under every transform."""
        evaluations = [self.loss(transform(photos), progress) for transform in self.transforms]
        return Evaluation(
            torch.stack([e.loss for e in evaluations]).mean(0),
            torch.stack([e.score for e in evaluations]).mean(0),
            torch.stack([e.done for e in evaluations]).all(0),
        )

    def of(self, rows: Tensor) -> OverTransforms:
        """See `PhotoLoss`."""
        return OverTransforms(self.loss.of(rows), self.transforms)


@dataclass(frozen=True)
class StopWhen:
    """A photo is done once `rule(score)` holds, for instance `lambda distance: distance < -32`."""

    loss: PhotoLoss
    rule: Callable[[Tensor], Tensor]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        return replace(evaluation, done=evaluation.done | self.rule(evaluation.score))

    def of(self, rows: Tensor) -> StopWhen:
        """See `PhotoLoss`."""
        return StopWhen(self.loss.of(rows), self.rule)


@dataclass(frozen=True)
class WithProgress:
    """The loss as it is; `progress` is called with the progress at each evaluation, and may end the run by raising."""

    loss: PhotoLoss
    progress: Callable[[float], None]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        self.progress(progress)
        return self.loss(photos, progress)

    def of(self, rows: Tensor) -> WithProgress:
        """See `PhotoLoss`."""
        return WithProgress(self.loss.of(rows), self.progress)


@dataclass(frozen=True)
class KeepSimilar:
    """loss(x') + weight · max(0, floor − SSIM(x', x)), the score likewise: nothing is asked above the floor.

    SSIM is the coarse one, see `recessive.quality.coarse_ssim`.

    Attributes:
        loss: the loss that is wrapped.
        originals: x (N, 3, H, W).
        floor: SSIM that a photo should keep.
        weight: what falling short by 1 would cost.
    """

    loss: PhotoLoss
    originals: Tensor
    floor: float
    weight: float

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        cost = self.weight * (self.floor - coarse_ssim(photos, self.originals)).clamp(min=0)
        return replace(evaluation, loss=evaluation.loss + cost, score=evaluation.score + cost.detach())

    def of(self, rows: Tensor) -> KeepSimilar:
        """See `PhotoLoss`."""
        return replace(self, loss=self.loss.of(rows), originals=self.originals[rows])


@dataclass(frozen=True)
class Best:
    """The best iterate of each photo so far; written to in place.

    Attributes:
        photos: (N, 3, H, W).
        score: (N,), infinite before anything was seen.
        loss: (N,), likewise.
    """

    photos: Tensor
    score: Tensor
    loss: Tensor

    @classmethod
    def before(cls, originals: Tensor) -> Best:
        """What is best before anything was seen: the originals (N, 3, H, W)."""
        unseen = torch.full((len(originals),), torch.inf, device=originals.device)
        return cls(originals.clone(), unseen, unseen.clone())


@dataclass(frozen=True)
class BestSoFar:
    """Keep, of each photo, the iterate with the smallest (score, loss) that passed through.

    Attributes:
        loss: the loss that is wrapped.
        best: where it is kept, for the whole batch.
        rows: which of its photos are still under way (M,); None for all.
    """

    loss: PhotoLoss
    best: Best
    rows: Tensor | None = None

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        rows = torch.arange(len(photos), device=photos.device) if self.rows is None else self.rows
        score, loss = self.best.score[rows], self.best.loss[rows]
        tie = (evaluation.score == score) & (evaluation.loss < loss)
        better = (evaluation.score < score) | tie
        self._keep(self.best.photos, rows, photos, better)
        self._keep(self.best.score, rows, evaluation.score, better)
        self._keep(self.best.loss, rows, evaluation.loss, better)
        return evaluation

    @staticmethod
    def _keep(kept: Tensor, rows: Tensor, values: Tensor, better: Tensor) -> None:
        """Replace where better; a choice rather than an index, whose size a GPU would have to tell."""
        better = better.view(-1, *[1] * (values.ndim - 1))
        kept[rows] = torch.where(better, values.detach(), kept[rows])

    def of(self, rows: Tensor) -> BestSoFar:
        """See `PhotoLoss`; what was kept stays in one place."""
        return BestSoFar(self.loss.of(rows), self.best, rows if self.rows is None else self.rows[rows])
