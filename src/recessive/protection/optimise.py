"""The one loop: gradient, step, ball, until done.

    x_{i+1} = Π_ball( x_i + step(∇ loss(x_i)) )

Everything else wraps a loss (`losses.py`) or chooses a step (`steps.py`) and a ball (`recessive.balls`). Photos of a
batch never influence each other: the loss is one number a photo. Photos that are done leave the batch, so that the
rest go faster: a batch costs the sum of its photos' steps, not its size times the longest. On a GPU the loop asks only
now and then who is done, and holds those photos still meanwhile, since every question makes it wait for the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from recessive.balls import Ball
from recessive.protection.steps import Step


class GradientError(ValueError):
    """An encoder passes no gradient; the message says what to do."""


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
        broken: (N,) whether the walk ended at a gradient that is not finite, where the loss or the encoder overflows.
    """

    photos: Tensor
    losses: Tensor
    steps: Tensor
    done: Tensor
    broken: Tensor

    @classmethod
    def before(cls, photos: Tensor) -> Minimised:
        """Photos (N, 3, H, W) as they are before any step, none of them done."""
        count, device = len(photos), photos.device
        no = torch.zeros(count, dtype=torch.bool, device=device)
        taken = torch.zeros(count, dtype=torch.int64, device=device)
        return cls(photos, torch.zeros(count, device=device), taken, no, no.clone())


def asked_every(device: torch.device) -> int:
    """Steps between two questions who is done: each time on a CPU, where an answer costs nothing."""
    return 1 if device.type == "cpu" else 8


def minimise(
    loss: PhotoLoss, originals: Tensor, *, step: Step, ball: Ball, steps: int, start: Tensor | None = None
) -> Minimised:
    """Walk each photo down its loss within its ball, at most `steps` steps.

    The loss is evaluated once a step, and once more (without a gradient) where a walk ends, so that wrappers have
    seen every iterate, the last included. A photo whose gradient is not finite stays where it is; the others go on.

    Args:
        loss: of photos; see `PhotoLoss`.
        originals: (N, 3, H, W), the centres of the balls.
        step: gradient to update.
        ball: where a photo may go.
        steps: at most so many.
        start: (N, 3, H, W) where to start from; the originals when None.

    Raises:
        ValueError: when steps is negative.
        GradientError: the loss does not depend on the photos in a way that can be differentiated.
    """
    if steps < 0:
        raise ValueError(f"steps must not be negative: {steps}")
    found = Minimised.before((originals if start is None else start).detach().clone())
    every = asked_every(originals.device)

    rows = torch.arange(len(originals), device=originals.device)  # of the photos still under way
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
