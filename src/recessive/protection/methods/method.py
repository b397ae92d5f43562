"""What a method is, and the part that all gradient methods share.

Method = objective × step × ball × stop rule with the paper's constants, and a note of where it departs from the paper
or from released code, and why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from recessive.encoders import encode
from recessive.protection.losses import Best, BestSoFar, Ensemble, OverTransforms
from recessive.protection.optimise import Minimised, PhotoLoss, minimise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recessive.balls import Ball
    from recessive.encoders import Encoder, Outputs
    from recessive.protection.losses import Objective
    from recessive.protection.steps import Step


def _nothing(photos: Tensor) -> Tensor:
    """Photos as they are."""
    return photos


Transformation = Callable[[Tensor], Tensor]


class MethodError(ValueError):
    """A method cannot run as asked; the message says what to change."""


@dataclass(frozen=True)
class Surrogate:
    """An encoder that is optimised against, and what the owner knows around it.

    Attributes:
        encoder: the encoder.
        sample: the owner's sample through it: codes of ±1 or descriptors (S, D). Never the evaluation gallery.
        threshold: T within which a searcher would return a photo: Hamming distance, or cosine distance.
    """

    encoder: Encoder
    sample: Tensor
    threshold: float


@dataclass(frozen=True)
class Run:
    """How one batch is to be protected.

    Attributes:
        ball: where a photo may go.
        steps: at most so many.
        seeds: one a photo, for all that is random about it.
        saving: what saving does to a photo (the 8-bit grid, a lossy file), differentiable.
        survive: what a platform may do to the saved photo; the loss is the mean over none and each of them.
    """

    ball: Ball
    steps: int
    seeds: Sequence[int]
    saving: Transformation = _nothing
    survive: Sequence[Transformation] = ()


class Method(Protocol):
    """Photos to protected photos. `METHODS` lists every one by name."""

    @property
    def name(self) -> str:
        """Its key in `METHODS`."""
        ...

    @property
    def summary(self) -> str:
        """What it does, in one line."""
        ...

    @property
    def source(self) -> str:
        """Paper and equation."""
        ...

    @property
    def departures(self) -> str:
        """Where it departs from the paper or from released code, and why."""
        ...

    @property
    def accepts(self) -> frozenset[Outputs]:
        """What encoders must give."""
        ...

    @property
    def budget(self) -> float:
        """The paper's budget in 1/255."""
        ...

    @property
    def steps(self) -> int:
        """The paper's number of steps."""
        ...

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """Photos (N, 3, H, W) on the 8-bit grid to protected ones, in the ball and on the grid.

        Raises:
            MethodError: when a surrogate's outputs are not among `accepts`, or there is none.
        """
        ...


def _after(first: Transformation, second: Transformation) -> Transformation:
    """x → second(first(x))."""
    return lambda photos: second(first(photos))


def check(method: Method, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> None:
    """Refuse what a method cannot do.

    Raises:
        MethodError: says what to change.
    """
    if not surrogates:
        raise MethodError(f"{method.name} needs at least one encoder")
    for surrogate in surrogates:
        outputs = surrogate.encoder.outputs
        if outputs not in method.accepts:
            wanted = " or ".join(sorted(method.accepts))
            name = surrogate.encoder.name
            raise MethodError(f"{method.name} works on {wanted}; {name} gives a {outputs}: choose another --encoder")
    if len(run.seeds) != len(photos):
        raise MethodError(f"one seed a photo is needed: {len(run.seeds)} for {len(photos)} photos")


@torch.no_grad()
def original_outputs(photos: Tensor, surrogates: Sequence[Surrogate]) -> list[Tensor]:
    """What each surrogate gives for the photos as they are: one (N, D) each."""
    return encode([surrogate.encoder for surrogate in surrogates], photos)


def descend(
    photos: Tensor,
    surrogates: Sequence[Surrogate],
    objectives: Sequence[Objective],
    run: Run,
    *,
    step: Step,
    wrap: Callable[[PhotoLoss], PhotoLoss] | None = None,
    start: Tensor | None = None,
    keep_best: bool = False,
) -> Minimised:
    """`minimise` over an ensemble under the run's transforms, brought back to the 8-bit grid.

    Args:
        photos: (N, 3, H, W).
        surrogates: whose encoders are used.
        objectives: one a surrogate.
        run: ball, steps and transforms.
        step: gradient to update.
        wrap: what to wrap the loss in, such as a stop rule.
        start: where to start from; the photos when None.
        keep_best: return the iterate with the smallest score rather than the last.
    """
    ensemble = Ensemble([surrogate.encoder for surrogate in surrogates], objectives)
    views = [run.saving, *(_after(run.saving, transform) for transform in run.survive)]
    loss: PhotoLoss = OverTransforms(ensemble, views)
    if wrap is not None:
        loss = wrap(loss)
    if keep_best:
        best = Best.before(photos)
        found = minimise(BestSoFar(loss, best), photos, step=step, ball=run.ball, steps=run.steps, start=start)
        found = replace(found, photos=best.photos, losses=best.loss)
    else:
        found = minimise(loss, photos, step=step, ball=run.ball, steps=run.steps, start=start)
    return replace(found, photos=run.ball.to_grid(found.photos, photos))
