"""The one loop that every gradient method uses: gradient, step, ball, until done.

    x_{i+1} = Π_ball( x_i + step(∇ loss(x_i)) )

A step (`steps`) and a ball (`recessive.balls`) are chosen; everything else wraps a loss: the classes below the loop sum
encoders, average over transforms, add a stop rule or remember the best iterate. Photos of a batch never influence each
other: the loss is one number per photo. Photos that are done leave the batch, so that the rest go faster: a batch costs
the sum of its photos' steps, not its size times the longest. On a GPU the loop asks only now and then which photos are
done, and holds them still meanwhile, since every such question makes it wait for the device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any, Self, TypeVar, get_type_hints

import torch
from torch import Tensor

from recessive.balls import Ball
from recessive.encoders import Encoder, encode
from recessive.errors import RecessiveError
from recessive.protection.steps import Step
from recessive.quality import coarse_ssim

T = TypeVar("T")
PerPhoto = Annotated[T, "per photo"]
"""Declares a field of a `Batched` class that holds something for each photo of the batch."""


class GradientError(RecessiveError, ValueError):
    """An encoder passes no gradient. The message says what to do."""


@dataclass(frozen=True)
class Evaluation:
    """The value of a loss for each photo of a batch.

    Attributes:
        loss: (N,) the value to be minimised; its gradient is taken.
        score: (N,) what is really meant to be small, such as a hard count; it need not be differentiable.
        done: (N,) whether the photo needs no further step.
    """

    loss: Tensor
    score: Tensor
    done: Tensor

    @classmethod
    def of_loss(cls, loss: Tensor) -> Evaluation:
        """A loss (N,) that is its own score and never calls a photo done."""
        return cls(loss, loss.detach(), torch.zeros_like(loss, dtype=torch.bool))


@dataclass(frozen=True)
class Batched:
    """Something that can be restricted to some photos of its batch.

    The fields that are declared `PerPhoto` are restricted: a tensor by its first dimension, a sequence by its elements,
    and what is itself `Batched`, or a sequence of such, by its own `of`. None stands for the indices of all photos.
    """

    def of(self, rows: Tensor) -> Self:
        """Return the same for some photos of the batch: `rows` are their indices (M,)."""
        kind: type = type(self)
        names = _per_photo(kind)
        return replace(self, **{name: _chosen(getattr(self, name), rows) for name in names}) if names else self


@cache
def _per_photo(kind: type) -> tuple[str, ...]:
    hints = get_type_hints(kind, include_extras=True)
    return tuple(name for name, hint in hints.items() if "per photo" in getattr(hint, "__metadata__", ()))


def _chosen(value: Any, rows: Tensor) -> Any:  # noqa: ANN401
    if value is None:
        return rows
    if hasattr(value, "of"):
        return value.of(rows)
    if isinstance(value, Tensor):
        return value[rows]
    if isinstance(value, Sequence) and value and hasattr(value[0], "of"):
        return [each.of(rows) for each in value]
    return [value[row] for row in rows.tolist()]


@dataclass(frozen=True)
class PhotoLoss(Batched, ABC):
    """A loss of photos, which holds what it needs of each photo of the batch."""

    @abstractmethod
    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """Evaluate photos (N, 3, H, W) in [0, 1] at some progress through the run, in [0, 1]."""


@dataclass(frozen=True)
class Minimised:
    """The result of `minimise`.

    Attributes:
        photos: (N, 3, H, W) the last iterates, inside the ball.
        losses: (N,) the loss of the last iterate that was evaluated.
        steps: (N,) int64, the number of steps taken.
        done: (N,) whether the loss called the photo done; False means that the steps ran out.
        broken: (N,) whether the gradient of the last iterate was not finite because the loss or the encoder overflowed.
    """

    photos: Tensor
    losses: Tensor
    steps: Tensor
    done: Tensor
    broken: Tensor

    @classmethod
    def before(cls, photos: Tensor) -> Minimised:
        """The state before any step: the photos (N, 3, H, W) as they are, none of them done."""
        count, device = len(photos), photos.device
        no = torch.zeros(count, dtype=torch.bool, device=device)
        taken = torch.zeros(count, dtype=torch.int64, device=device)
        return cls(photos, torch.zeros(count, device=device), taken, no, no.clone())


def check_interval(device: torch.device) -> int:
    """Return the number of steps between two checks which photos are done: 1 on a CPU, where a check costs nothing."""
    return 1 if device.type == "cpu" else 8


def minimise(
    loss: PhotoLoss, originals: Tensor, *, step: Step, ball: Ball, steps: int, start: Tensor | None = None
) -> Minimised:
    """Move each photo down its loss within its ball, in at most `steps` steps.

    The loss is evaluated once a step, and once more (without a gradient) where a walk ends, so that wrappers have
    seen every iterate, the last included. A photo whose gradient is not finite stays where it is; the others go on.

    Args:
        loss: the loss of the photos.
        originals: (N, 3, H, W), the centres of the balls.
        step: turns a gradient into an update.
        ball: where a photo may go.
        steps: the largest number of steps.
        start: (N, 3, H, W) where to start; the originals when None.

    Raises:
        ValueError: if steps is negative.
        GradientError: if the loss is not differentiable with respect to the photos.
    """
    if steps < 0:
        raise ValueError(f"steps must not be negative: {steps}")
    found = Minimised.before((originals if start is None else start).detach().clone())
    every = check_interval(originals.device)

    rows = torch.arange(len(originals), device=originals.device)  # of the photos that are not done
    now, centres, state = found.photos.clone(), originals, step.initial(found.photos)
    for i in range(steps if len(rows) else 0):
        now.requires_grad_()
        evaluation = loss(now, i / steps)
        if not evaluation.loss.requires_grad:
            raise GradientError("the loss has no gradient with respect to the photos")
        (gradient,) = torch.autograd.grad(evaluation.loss.sum(), now)
        with torch.no_grad():
            now = now.detach()
            flat = gradient.flatten(1)
            finite = torch.stack([flat.amax(1), flat.amin(1)]).isfinite().all(dim=0)  # NaN is either extreme
            resting = evaluation.done | ~finite
            if every > 1 or bool(resting.any()):
                found.losses[rows] = evaluation.loss.detach()
                found.done[rows] |= evaluation.done
                found.broken[rows] |= ~(finite | evaluation.done)
                resting = found.done[rows] | found.broken[rows]
                if i % every == 0 and bool(resting.any()):
                    found.photos[rows] = now
                    going = torch.nonzero(~resting).squeeze(1)
                    rows, now, centres, gradient = rows[going], now[going], centres[going], gradient[going]
                    state, loss, resting = tuple(part[going] for part in state), loss.of(going), resting[going]
                    if not len(rows):
                        break
            update, state = step(gradient, state, i / steps)
            walked = ball.project(now + update, centres)
            if every > 1:
                walked = torch.where(resting.view(-1, 1, 1, 1), now, walked)
            now = walked
            found.steps[rows] += ~resting
    if len(rows):
        with torch.no_grad():
            evaluation = loss(now, 1.0)
            found.photos[rows], found.losses[rows] = now, evaluation.loss
            found.done[rows] |= evaluation.done & ~found.broken[rows]
    return found


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
