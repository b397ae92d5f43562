"""Objectives, and the losses of photos that are built from them: ensembles, transforms, best so far, stop rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recessive.encoders import Encoder, encode
from recessive.protection.optimise import Batched, Evaluation, GradientError, PerPhoto, PhotoLoss
from recessive.quality import coarse_ssim


@dataclass(frozen=True)
class Objective(Batched, ABC):
    """A loss of an encoder's outputs, which holds what it needs (original codes, anchors, curves) as tensors."""

    @abstractmethod
    def __call__(self, outputs: Tensor, progress: float) -> Tensor:
        """Outputs (N, D) and progress in [0, 1] to losses (N,)."""

    def score(self, outputs: Tensor) -> Tensor:
        """Outputs (N, D) to what is really meant to be small (N,); the loss itself unless a subclass says otherwise."""
        return self(outputs, 1.0)


@dataclass(frozen=True)
class Ensemble(PhotoLoss):
    """Several encoders at once: loss(x) = Σ_e objective_e(encoder_e(x)); the scores are summed as well.

    Attributes:
        encoders: one or more; those that share a trunk cost one pass.
        objectives: one per encoder.
    """

    encoders: Sequence[Encoder]
    objectives: PerPhoto[Sequence[Objective]]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`.

        Raises:
            GradientError: if a gradient is required that an encoder does not pass.
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
        return replace(Evaluation.of_loss(loss), score=score)


@dataclass(frozen=True)
class Together(PhotoLoss):
    """Σ_i weight_i loss_i(x); the scores are summed as well. A photo is done when every loss says so.

    Attributes:
        losses: one or more.
        weights: one per loss.
    """

    losses: PerPhoto[Sequence[PhotoLoss]]
    weights: Sequence[float]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluations = [loss(photos, progress) for loss in self.losses]
        return Evaluation(
            torch.stack([w * e.loss for w, e in zip(self.weights, evaluations, strict=True)]).sum(0),
            torch.stack([w * e.score for w, e in zip(self.weights, evaluations, strict=True)]).sum(0),
            torch.stack([e.done for e in evaluations]).all(0),
        )


@dataclass(frozen=True)
class OverTransforms(PhotoLoss):
    """Expectation over transforms: loss(x) = mean_t loss(t(x)); the scores are averaged as well.

    Athalye et al., "Synthesizing robust adversarial examples", 2018, Eq. 1, with a fixed set of transforms.

    Attributes:
        loss: the loss of the transformed photos.
        transforms: (N, 3, H, W) to (N, 3, H', W'), differentiable.
    """

    loss: PerPhoto[PhotoLoss]
    transforms: Sequence[Callable[[Tensor], Tensor]]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`; a photo is done when it is done under every transform."""
        evaluations = [self.loss(transform(photos), progress) for transform in self.transforms]
        return Evaluation(
            torch.stack([e.loss for e in evaluations]).mean(0),
            torch.stack([e.score for e in evaluations]).mean(0),
            torch.stack([e.done for e in evaluations]).all(0),
        )


@dataclass(frozen=True)
class StopWhen(PhotoLoss):
    """A photo is done once `rule(score)` holds, for instance `lambda distance: distance < -32`."""

    loss: PerPhoto[PhotoLoss]
    rule: Callable[[Tensor], Tensor]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        return replace(evaluation, done=evaluation.done | self.rule(evaluation.score))


@dataclass(frozen=True)
class WithProgress(PhotoLoss):
    """The loss as it is; `progress` is called with the progress at each evaluation, and may end the run by raising."""

    loss: PerPhoto[PhotoLoss]
    progress: Callable[[float], None]

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        self.progress(progress)
        return self.loss(photos, progress)


@dataclass(frozen=True)
class KeepSimilar(PhotoLoss):
    """loss(x') + weight · max(0, floor − SSIM(x', x)), for the score as well: above the floor it costs nothing.

    SSIM is the coarse one, see `recessive.quality.coarse_ssim`.

    Attributes:
        loss: the loss that is wrapped.
        originals: x (N, 3, H, W).
        floor: the SSIM that a photo should keep.
        weight: the cost of an SSIM that is lower by 1.
    """

    loss: PerPhoto[PhotoLoss]
    originals: PerPhoto[Tensor]
    floor: float
    weight: float

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        cost = self.weight * (self.floor - coarse_ssim(photos, self.originals)).clamp(min=0)
        return replace(evaluation, loss=evaluation.loss + cost, score=evaluation.score + cost.detach())


@dataclass(frozen=True)
class BestSoFar(PhotoLoss):
    """The loss as it is; the iterate of each photo with the smallest (score, loss) is kept, in place.

    Attributes:
        loss: the loss that is wrapped.
        photos: the best iterates of the whole batch (N, 3, H, W); the originals before the first evaluation.
        best_score: their scores (N,), infinite before the first evaluation.
        best_loss: their losses (N,), as well.
        rows: the indices of the photos that are not done (M,); None for all.
    """

    loss: PerPhoto[PhotoLoss]
    photos: Tensor
    best_score: Tensor
    best_loss: Tensor
    rows: PerPhoto[Tensor | None] = None

    @classmethod
    def before(cls, loss: PhotoLoss, originals: Tensor) -> BestSoFar:
        """Wrap a loss before its first evaluation, for originals (N, 3, H, W)."""
        unseen = torch.full((len(originals),), torch.inf, device=originals.device)
        return cls(loss, originals.clone(), unseen, unseen.clone())

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation = self.loss(photos, progress)
        rows = torch.arange(len(photos), device=photos.device) if self.rows is None else self.rows
        score, loss = self.best_score[rows], self.best_loss[rows]
        tie = (evaluation.score == score) & (evaluation.loss < loss)
        better = (evaluation.score < score) | tie
        best, seen = (self.photos, self.best_score, self.best_loss), (photos, evaluation.score, evaluation.loss)
        for kept, values in zip(best, seen, strict=True):
            # a choice rather than an index, whose size a GPU would have to report
            chosen = better.view(-1, *[1] * (values.ndim - 1))
            kept[rows] = torch.where(chosen, values.detach(), kept[rows])
        return evaluation
