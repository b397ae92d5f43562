"""What a method is, and the part that all gradient methods share.

A method is an objective, a step, a ball and a stop rule with the constants of its paper, and a note of where it departs
from the paper or from released code, and why. Its constants are fields of its dataclass: `constants` lists them, and
`with_constants` changes them by name.
"""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from recessive.balls import Ball
from recessive.class_labels import relevant
from recessive.encoders import Encoder, Outputs, encode
from recessive.errors import RecessiveError
from recessive.protection.constants import Bounds, Constant, Whole, admits, constants_of, read, replaced
from recessive.protection.optimise import (
    BestSoFar,
    Ensemble,
    Minimised,
    Objective,
    OverTransforms,
    PhotoLoss,
    WithProgress,
    minimise,
)
from recessive.protection.steps import Step
from recessive.protection.traces import Trace


def unchanged(photos: Tensor) -> Tensor:
    """Return the photos as they are."""
    return photos


Transformation = Callable[[Tensor], Tensor]
Need = Literal["gradients", "sample", "labels", "target"]
GRADIENTS: frozenset[Need] = frozenset({"gradients"})
LOGITS: frozenset[Outputs] = frozenset({"logits"})
DESCRIPTORS: frozenset[Outputs] = frozenset({"descriptor"})
BOTH = LOGITS | DESCRIPTORS
_MEANS = {
    "sample": "the owner's sample, what {encoder} gives for other photos: a Surrogate's `sample`, or --sample DIR",
    "labels": (
        "the classes of the photo and of the owner's sample: a Run's and a Surrogate's `labels`, or --label NAME and "
        "--sample DIR with one folder a class"
    ),
    "target": "photos to be taken for: a Run's `targets`, or --target PHOTO, or --target DIR with several of one kind",
}
_DESCRIPTION = frozenset({"name", "summary", "paper", "departures", "accepts", "needs", "against"})
Budget = Annotated[float, Bounds(0, 255)]  # in 1/255
_OPTIONS = frozenset({"budget", "steps"})


class MethodError(RecessiveError, ValueError):
    """A method cannot run as requested. The message says what to change."""


@dataclass(frozen=True)
class Surrogate:
    """An encoder to optimise against, and what the owner knows about it.

    Attributes:
        encoder: the encoder.
        sample: the owner's sample through the encoder: codes of ±1 or descriptors (S, D). Never the gallery that the
            protection is evaluated on.
        threshold: T, the Hamming or cosine distance within which a searcher would return a photo.
        labels: the classes of the sample: (S,) int64, or (S, L) bool where a photo may have several.
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
        steps: the largest number of steps.
        seeds: one seed per photo, for everything that is random about it.
        saving: what saving does to a photo (the 8-bit grid, a lossy file), differentiable.
        survive: what a platform may do to the saved photo; the loss is the mean over the saved photo and each of these.
        labels: the classes of the photos: (N,) int64, or (N, L) bool, in the same form as those of the sample.
        targets: for each photo one or several photos of one kind, (3, h, w) of any size, that it is to be taken for.
        trace: records the path that each photo takes.
        progress: called at each step with the progress through the run, in [0, 1]; an exception from it ends the run.
    """

    ball: Ball
    steps: int
    seeds: Sequence[int]
    saving: Transformation = unchanged
    survive: Sequence[Transformation] = ()
    labels: Tensor | None = None
    targets: Sequence[Sequence[Tensor]] | None = None
    trace: Trace | None = None
    progress: Callable[[float], None] | None = None


@dataclass(frozen=True)
class Method(ABC):
    """Turns photos into protected photos. `METHODS` lists all methods by name.

    A subclass gives the fields their values, adds its constants as further fields, and implements `protect`.

    Attributes:
        name: its key in `METHODS`.
        summary: what it does, in one line.
        paper: where it was published, with the equation, and which released code it follows.
        departures: where it departs from the paper or from released code, and why.
        accepts: the outputs of encoders that it works on.
        needs: what it cannot do without.
        budget: the paper's budget in 1/255; 255 where nothing but the range of pixels bounds it.
        steps: the paper's number of steps; 0 for a method without gradients.
        against: the searches without a network that it works against in its own way.
    """

    name: str
    summary: str
    paper: str
    departures: str
    accepts: frozenset[Outputs] = BOTH
    needs: frozenset[Need] = GRADIENTS
    budget: Budget = 8.0
    steps: Whole = 100
    against: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check every number against its bounds.

        Raises:
            MethodError: if a field has a value that its annotation does not admit.
        """
        for constant in constants_of(self, _DESCRIPTION):
            if not admits(constant.annotation, constant.default):
                raise _wrong_value(self.name, constant, constant.default)

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """Protect photos (N, 3, H, W) on the 8-bit grid. The result lies in the ball and on the grid.

        Raises:
            MethodError: if something of `needs` is missing, or a surrogate's outputs are not among `accepts`.
        """
        check(self, photos, surrogates, run)
        return self.protect(photos, surrogates, run)

    @abstractmethod
    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """The method's own part of `__call__`, which has checked the arguments."""


@dataclass(frozen=True)
class GradientFree(Method):
    """A method that needs no gradient and consults no encoder. A subclass implements `change`."""

    needs: frozenset[Need] = frozenset()
    budget: Budget = 255.0
    steps: Whole = 0

    @abstractmethod
    def change(self, photos: Tensor, seeds: Sequence[int]) -> Tensor:
        """Photos (N, 3, H, W) in [0, 1] to changed ones, which may leave [0, 1] and any ball."""

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:  # noqa: ARG002
        """Bring the changed photos into the run's ball and onto the 8-bit grid.

        Nothing is minimised: no step is taken, the losses are 0, and every photo is done.
        """
        changed = run.ball.project(self.change(photos, run.seeds), photos)
        found = Minimised.before(run.ball.to_grid(changed, photos))
        return replace(found, done=torch.ones_like(found.done))


def defaults(method: Method) -> dict[str, Any]:
    """Return the budget, the steps and all other constants of a method by name, as JSON represents them."""
    values = {each.name: each.default for each in constants_of(method, _DESCRIPTION)}
    return {"budget": method.budget, "steps": method.steps} | {
        name: value if isinstance(value, bool | int | float | str | None) else str(value)
        for name, value in values.items()
    }


def constants(method: Method) -> tuple[Constant, ...]:
    """List the constants of a method that `with_constants` can change: all fields but budget, steps and description."""
    return tuple(constants_of(method, _DESCRIPTION | _OPTIONS))


def with_constants(method: Method, values: Mapping[str, str]) -> Method:
    """Return the method with other constants.

    Args:
        method: any method.
        values: the values as text, by the name of the constant, such as ``{"clusters": "30"}``.

    Raises:
        MethodError: if the method has no constant of that name, or the constant does not take that value.
    """
    known = {constant.name: constant for constant in constants(method)}
    for name, text in values.items():
        if name in _OPTIONS:
            raise MethodError(f"{name} is an option of its own: give --{name} {text}")
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            listed = f"its constants are {', '.join(known)}" if known else "it has none at all"
            raise MethodError(f"{method.name} has no constant {name!r}{meant}; {listed}")
        try:
            value = read(known[name].annotation, text)
        except ValueError:
            raise _wrong_value(method.name, known[name], text) from None
        method = replaced(method, name, value)
    return method


def _wrong_value(method: str, constant: Constant, value: object) -> MethodError:
    return MethodError(f"{constant.name} of {method} must be {constant.type}, not {value!r}")


def _after(first: Transformation, second: Transformation) -> Transformation:
    """x → second(first(x))."""
    return lambda photos: second(first(photos))


def check(method: Method, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> None:
    """Refuse what a method cannot do.

    Raises:
        MethodError: if an argument is missing or does not fit; the message says what to change.
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
            raise MethodError(
                f"each photo of the owner's sample needs one label: there are {len(labels)} for {len(sample)} photos"
            )
    if len(run.seeds) != len(photos):
        raise MethodError(f"each photo needs one seed: there are {len(run.seeds)} for {len(photos)} photos")
    if run.labels is not None and len(run.labels) != len(photos):
        raise MethodError(f"each photo needs one label: there are {len(run.labels)} for {len(photos)} photos")
    if run.targets is not None and (len(run.targets) != len(photos) or not all(len(own) for own in run.targets)):
        raise MethodError(f"each photo needs a target: there are {len(run.targets)} for {len(photos)} photos")


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
    """Return the owner's sample (S, D) of a surrogate for which `check` has found one."""
    if surrogate.sample is None:
        raise MethodError(f"{surrogate.encoder.name} has no owner's sample")
    return surrogate.sample


def same_class(surrogate: Surrogate, run: Run) -> Tensor:
    """Tell which photos of the owner's sample are of the class of each photo: (N, S), bool.

    Raises:
        MethodError: if there are no labels, or the class of a photo holds no photo of the sample, or all of them.
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
    """Return a surrogate's outputs for the targets of each photo: one (A, D) per photo."""
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
    """Return the outputs of each surrogate for the photos as they are: one (N, D) per surrogate."""
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
    """Minimise the objectives of an ensemble under the run's transforms, and bring the result to the 8-bit grid.

    Args:
        photos: (N, 3, H, W).
        surrogates: the surrogates whose encoders are used.
        objectives: one per surrogate.
        run: ball, steps and transforms.
        step: turns a gradient into an update.
        wrap: wraps the loss, for instance in a stop rule.
        start: where to start; the photos when None.
        keep_best: whether to return the iterate with the smallest score rather than the last one.
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
    if run.progress is not None:
        loss = WithProgress(loss, run.progress)
    if keep_best:
        loss = BestSoFar.before(loss, photos)
    found = minimise(loss, photos, step=step, ball=run.ball, steps=run.steps, start=start)
    if isinstance(loss, BestSoFar):
        found = replace(found, photos=loss.photos, losses=loss.best_loss)
    return replace(found, photos=run.ball.to_grid(found.photos, photos))
