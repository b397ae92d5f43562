"""The one loop: gradient, step, ball, until done.

    x_{i+1} = Π_ball( x_i + step(∇ loss(x_i)) )

Everything else wraps a loss (`losses.py`) or chooses a step (`steps.py`) and a ball (`recessive.balls`). Photos of a
batch never influence each other: the loss is one number a photo, and photos that are done leave the batch, so that
the rest go faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from recessive.balls import Ball
    from recessive.protection.steps import Step


@dataclass(frozen=True)
class Evaluation:
    """What a loss says of each photo of a batch.

    Attributes:
        loss: (N,) to be minimised; its gradient is taken.
        score: (N,) what is really meant to be small, such as a hard count; need not be differentiable.
        done: (N,) whether the photo as it is needs no further step.
    """

    loss: Tensor
    score: Tensor
    done: Tensor


class PhotoLoss(Protocol):
    """A loss of photos; holds what it needs of each photo of the batch."""

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """Photos (N, 3, H, W) in [0, 1], progress through the run in [0, 1]."""
        ...

    def of(self, rows: Tensor) -> PhotoLoss:
        """The same loss for some photos of the batch: `rows` are their indices (M,)."""
        ...


@dataclass(frozen=True)
class Minimised:
    """What `minimise` returns.

    Attributes:
        photos: (N, 3, H, W) the last iterates, inside the ball.
        losses: (N,) the loss of the last iterate that was evaluated.
        steps: (N,) int64, steps taken.
        done: (N,) whether the loss called the photo done; False means that the steps ran out.
    """

    photos: Tensor
    losses: Tensor
    steps: Tensor
    done: Tensor


def minimise(
    loss: PhotoLoss, originals: Tensor, *, step: Step, ball: Ball, steps: int, start: Tensor | None = None
) -> Minimised:
    """Walk each photo down its loss within its ball, at most `steps` steps.

    The loss is evaluated once a step, and once more (without a gradient) where a walk ends, so that wrappers have
    seen every iterate, the last included.

    Args:
        loss: of photos; see `PhotoLoss`.
        originals: (N, 3, H, W), the centres of the balls.
        step: gradient to update.
        ball: where a photo may go.
        steps: at most so many.
        start: (N, 3, H, W) where to start from; the originals when None.

    Raises:
        ValueError: when steps is negative or the gradient is not finite.
    """
    if steps < 0:
        raise ValueError(f"steps must not be negative: {steps}")
    count = len(originals)
    photos = (originals if start is None else start).detach().clone()
    losses = torch.zeros(count)
    taken = torch.zeros(count, dtype=torch.int64)
    done = torch.zeros(count, dtype=torch.bool)

    rows = torch.arange(count)  # of the photos still under way
    now, centres, state = photos.clone(), originals, step.initial(photos)
    for i in range(steps if count else 0):
        now.requires_grad_()
        evaluation = loss(now, i / steps)
        (gradient,) = torch.autograd.grad(evaluation.loss.sum(), now)
        with torch.no_grad():
            now = now.detach()
            losses[rows] = evaluation.loss.detach()
            if bool(evaluation.done.any()):
                photos[rows], done[rows] = now, evaluation.done
                going = torch.nonzero(~evaluation.done).squeeze(1)
                rows, now, centres, gradient = rows[going], now[going], centres[going], gradient[going]
                state, loss = tuple(part[going] for part in state), loss.of(going)
                if not len(rows):
                    break
            if not bool(torch.stack(gradient.aminmax()).isfinite().all()):  # NaN is either extreme
                raise ValueError(f"the gradient is not finite at step {i}: the loss or the encoder overflows")
            update, state = step(gradient, state, i / steps)
            now = ball.project(now + update, centres)
            taken[rows] += 1
    if len(rows):
        with torch.no_grad():
            evaluation = loss(now, 1.0)
            photos[rows], losses[rows], done[rows] = now, evaluation.loss, evaluation.done
    return Minimised(photos, losses, taken, done)
