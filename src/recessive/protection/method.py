"""What a method is, and the part that all gradient methods share.

Method = objective × step × ball × stop rule with the paper's constants, and a note of where it departs from the paper
or from released code, and why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from recessive.balls import Ball
from recessive.class_labels import relevant
from recessive.encoders import Encoder, Outputs, encode
from recessive.protection.losses import Best, BestSoFar, Ensemble, Objective, OverTransforms, Telling
from recessive.protection.optimise import Minimised, PhotoLoss, minimise
from recessive.protection.steps import Step
from recessive.protection.traces import Trace


def unchanged(photos: Tensor) -> Tensor:
    """Photos as they are."""
    return photos


Transformation = Callable[[Tensor], Tensor]
Need = Literal["gradients", "sample", "labels", "target"]
GRADIENTS: frozenset[Need] = frozenset({"gradients"})
_MEANS = {
    "sample": "the owner's sample, what {encoder} gives for other photos: a Surrogate's `sample`, or --sample DIR",
    "labels": (
        "the classes of the photo and of the owner's sample: a Run's and a Surrogate's `labels`, or --label NAME and "
        "--sample DIR with one folder a class"
    ),
    "target": "photos to be taken for: a Run's `targets`, or --target PHOTO, or --target DIR with several of one kind",
}


class MethodError(ValueError):
    """A method cannot run as asked; the message says what to change."""


@dataclass(frozen=True)
class Surrogate:
    """An encoder that is optimised against, and what the owner knows around it.

    Attributes:
        encoder: the encoder.
        sample: the owner's sample through it: codes of ±1 or descriptors (S, D). Never the evaluation gallery.
        threshold: T within which a searcher would return a photo: Hamming distance, or cosine distance.
        labels: classes of the sample: (S,) int64, or (S, L) bool for any of several.
    """

    encoder: Encoder
    sample: Tensor | None = None
    threshold: float | None = None
    labels: Tensor | None = None


@dataclass(frozen=True)
class Run:
    """How one batch is to be protected.

    Attributes:
        ball: where a photo may go.
        steps: at most so many.
        seeds: one a photo, for all that is random about it.
        saving: what saving does to a photo (the 8-bit grid, a lossy file), differentiable.
        survive: what a platform may do to the saved photo; the loss is the mean over none and each of them.
        labels: classes of the photos: (N,) int64, or (N, L) bool for any of several, as those of the sample.
        targets: for each photo one photo or several of one kind, (3, h, w) of any size, that it shall be taken for.
        trace: records the way that each photo takes.
        tell: told the progress through the run, in [0, 1], at each step; what it raises ends the run.
    """

    ball: Ball
    steps: int
    seeds: Sequence[int]
    saving: Transformation = unchanged
    survive: Sequence[Transformation] = ()
    labels: Tensor | None = None
    targets: Sequence[Sequence[Tensor]] | None = None
    trace: Trace | None = None
    tell: Callable[[float], None] | None = None


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
    def paper(self) -> str:
        """Where it was published, with equation; what released code it follows."""
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
    def needs(self) -> frozenset[Need]:
        """What it cannot do without."""
        ...

    @property
    def budget(self) -> float:
        """The paper's budget in 1/255; 255 where nothing but the photo's own range bounds it."""
        ...

    @property
    def steps(self) -> int:
        """The paper's number of steps."""
        ...

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """Photos (N, 3, H, W) on the 8-bit grid to protected ones, in the ball and on the grid.

        Raises:
            MethodError: something of `needs` is missing, or a surrogate's outputs are not among `accepts`.
        """
        ...


def _after(first: Transformation, second: Transformation) -> Transformation:
    """x → second(first(x))."""
    return lambda photos: second(first(photos))


def defaults(method: Method) -> dict[str, Any]:
    """Budget, steps and all other constants of a method by name, as JSON has them."""
    told = {"name", "summary", "paper", "departures", "accepts", "needs"}
    values = {field.name: getattr(method, field.name) for field in fields(method) if field.name not in told}  # type: ignore[arg-type]
    return {"budget": method.budget, "steps": method.steps} | {
        name: value if isinstance(value, bool | int | float | str | None) else str(value)
        for name, value in values.items()
    }


def check(method: Method, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> None:
    """Refuse what a method cannot do.

    Raises:
        MethodError: says what to change.
    """
    if not surrogates and "gradients" in method.needs:
        raise MethodError(f"{method.name} needs at least one encoder")
    for surrogate in surrogates:
        outputs = surrogate.encoder.outputs
        if outputs not in method.accepts:
            wanted = " or ".join(sorted(method.accepts))
            name = surrogate.encoder.name
            raise MethodError(f"{method.name} works on {wanted}; {name} gives a {outputs}: choose another --encoder")
        for need in sorted(_missing(surrogate, run) & method.needs):
            raise MethodError(f"{method.name} needs {_MEANS[need].format(encoder=surrogate.encoder.name)}")
        labels, sample = surrogate.labels, surrogate.sample
        if labels is not None and sample is not None and len(labels) != len(sample):
            raise MethodError(f"one label a photo of the owner's sample is needed: {len(labels)} for {len(sample)}")
    if len(run.seeds) != len(photos):
        raise MethodError(f"one seed a photo is needed: {len(run.seeds)} for {len(photos)} photos")
    if run.labels is not None and len(run.labels) != len(photos):
        raise MethodError(f"one label a photo is needed: {len(run.labels)} for {len(photos)} photos")
    if run.targets is not None and (len(run.targets) != len(photos) or not all(len(own) for own in run.targets)):
        raise MethodError(f"each photo needs a target: {len(run.targets)} for {len(photos)} photos")


def _missing(surrogate: Surrogate, run: Run) -> set[Need]:
    missing: set[Need] = set()
    if surrogate.sample is None or not len(surrogate.sample):
        missing.add("sample")
    if surrogate.labels is None or run.labels is None:
        missing.add("labels")
    if run.targets is None:
        missing.add("target")
    return missing


def sample_of(surrogate: Surrogate) -> Tensor:
    """The owner's sample (S, D), of a surrogate that `check` has found to have one."""
    if surrogate.sample is None:
        raise MethodError(f"{surrogate.encoder.name} has no owner's sample")
    return surrogate.sample


def same_class(surrogate: Surrogate, run: Run) -> Tensor:
    """Which photos of the owner's sample show what each photo shows: (N, S), bool; for methods that need labels.

    Raises:
        MethodError: a photo's class has no photo in the sample, or holds all of it.
    """
    if run.labels is None or surrogate.labels is None:
        raise MethodError(_MEANS["labels"])
    same = relevant(run.labels.cpu(), surrogate.labels.cpu())
    if not bool((same.any(1) & ~same.all(1)).all()):
        raise MethodError(
            f"the owner's sample of {surrogate.encoder.name} must hold photos of the photo's own class and of others"
        )
    return same.to(sample_of(surrogate).device)


@torch.no_grad()
def target_outputs(surrogate: Surrogate, run: Run, device: torch.device) -> list[Tensor]:
    """What a surrogate gives for each photo's targets: one (A, D) a photo; for methods that need a target."""
    if run.targets is None:
        raise MethodError(_MEANS["target"])
    found = []
    for targets in run.targets:
        shapes = {target.shape for target in targets}
        batches = [torch.stack(list(targets))] if len(shapes) == 1 else [target[None] for target in targets]
        found.append(torch.cat([surrogate.encoder(batch.to(device)) for batch in batches]))
    return found


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
    if run.trace is not None:
        objectives = [
            run.trace.wrap(objective, s.encoder.name, s.encoder.outputs, s.sample, s.labels, run.labels)
            for objective, s in zip(objectives, surrogates, strict=True)
        ]
    ensemble = Ensemble([surrogate.encoder for surrogate in surrogates], objectives)
    views = [run.saving, *(_after(run.saving, transform) for transform in run.survive)]
    loss: PhotoLoss = OverTransforms(ensemble, views)
    if wrap is not None:
        loss = wrap(loss)
    if run.tell is not None:
        loss = Telling(loss, run.tell)
    if keep_best:
        best = Best.before(photos)
        found = minimise(BestSoFar(loss, best), photos, step=step, ball=run.ball, steps=run.steps, start=start)
        found = replace(found, photos=best.photos, losses=best.loss)
    else:
        found = minimise(loss, photos, step=step, ball=run.ball, steps=run.steps, start=start)
    return replace(found, photos=run.ball.to_grid(found.photos, photos))
