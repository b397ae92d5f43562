"""Gradient difference: the iterative method of Recessive Social Networking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recessive.class_labels import members
from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import NotNegative
from recessive.protection.method import (
    GRADIENTS,
    Method,
    MethodError,
    Need,
    Run,
    Surrogate,
    descend,
    original_outputs,
    same_class,
    sample_of,
)
from recessive.protection.optimise import Minimised, Objective, PerPhoto, StopWhen
from recessive.protection.steps import State, Step


@dataclass(frozen=True)
class ClassMargin(Objective):
    """loss(x') = f_ℓ(x') − f_ℓ'(x') of the photo's own class ℓ and another one ℓ'.

    f_k is the mean similarity to the sample's photos of class k, which is the similarity to their mean s̄_k:

        codes:        f_k = h'·s̄_k / m,  h' = tanh(logits)
        descriptors:  f_k = d'·s̄_k

    A photo of several classes has the mean of their f for f_ℓ. Zhang, Zhang, Lin, "Recessive social networking",
    Fig. 2: its r is minus the gradient of this loss.

    Attributes:
        means: s̄ (C, D).
        own: which classes are each photo's own (N, C), bool.
        other: ℓ' of each photo (N,), int64.
        outputs: whether outputs are logits or descriptors.
    """

    means: Tensor
    own: PerPhoto[Tensor]
    other: PerPhoto[Tensor]
    outputs: Outputs

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Outputs (N, D) to losses (N,)."""
        scores = self._scores(outputs.tanh() if self.outputs == "logits" else outputs)
        own = (scores * self.own).sum(1) / self.own.sum(1)
        return own - scores.gather(1, self.other[:, None]).squeeze(1)

    def score(self, outputs: Tensor) -> Tensor:
        """0 where ℓ' is the best of all classes (N,), by the code that a search sees; 1 elsewhere."""
        scores = self._scores(sign(outputs) if self.outputs == "logits" else outputs)
        return (scores.argmax(1) != self.other).float()

    def _scores(self, items: Tensor) -> Tensor:
        """Codes, softened or not, or descriptors (N, D) to class scores f (N, C)."""
        scores = items @ self.means.T
        return scores / items.shape[1] if self.outputs == "logits" else scores


@dataclass(frozen=True)
class InverseGradient(Step):
    """u = −g · min( gain / ||g||₂², largest/255 · √D / ||g||₂ ), D values a photo.

    To first order a step lowers the loss by `gain`, so it grows as gradients shrink; the second term is the cap.

    Attributes:
        gain: λ, in the unit of the loss.
        largest: the cap, a root-mean-square in 1/255.
    """

    gain: float
    largest: float

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:  # noqa: ARG002
        """See the class."""
        norm = gradient.square().sum(dim=(1, 2, 3), keepdim=True).sqrt().clamp(min=1e-30)
        cap = self.largest / 255 * math.sqrt(gradient[0].numel())
        return -(self.gain / norm).clamp(max=cap) * gradient / norm, state


def _classes(surrogate: Surrogate, run: Run) -> tuple[Tensor, Tensor]:
    """Which photos of the sample are in each of its classes (C, S), and which classes are each photo's own (N, C)."""
    if run.labels is None or surrogate.labels is None:
        raise MethodError(f"gradient-difference needs classes: of the photos, and of {surrogate.encoder.name}'s sample")
    same_class(surrogate, run)  # refuses photos whose class the sample does not know
    of_class, own = members(surrogate.labels.cpu()), run.labels.cpu()
    if own.ndim == 1:
        own = own[:, None] == torch.arange(len(of_class), device="cpu")
    present = of_class.any(1)
    return of_class[present], own[:, present]


def _drawn(own: Tensor, best: Tensor, seeds: Sequence[int]) -> list[int]:
    """ℓ' of each photo, from its seed: a class that is not its own, nor the best already where there is a choice."""
    others = []
    for mine, first, seed in zip(own, best.tolist(), seeds, strict=True):
        candidates = torch.nonzero(~mine).flatten().tolist()
        if not candidates:
            raise MethodError(
                "gradient-difference needs a class that is not the photo's own: the photo has every class of the sample"
            )
        choice = [each for each in candidates if each != first] or candidates
        generator = torch.Generator().manual_seed(seed)
        others.append(choice[int(torch.randint(len(choice), (1,), generator=generator, device="cpu"))])
    return others


def class_margin(surrogate: Surrogate, run: Run, originals: Tensor) -> ClassMargin:
    """Build the objective that leads from each photo's own classes to another one.

    Args:
        surrogate: one with the owner's sample and its classes.
        run: one with the classes of the photos, and their seeds.
        originals: the encoder's outputs for the photos (N, D).

    Raises:
        MethodError: if the sample lacks a photo's class, or any other one.
    """
    sample, (of_class, own) = sample_of(surrogate), _classes(surrogate, run)
    weights, outputs = of_class.to(sample), surrogate.encoder.outputs
    means = weights @ sample / weights.sum(1, keepdim=True)
    items = sign(originals) if outputs == "logits" else originals
    others = _drawn(own, (items @ means.T).argmax(1), run.seeds)
    return ClassMargin(means, own.to(sample.device), torch.tensor(others, device=sample.device), outputs)


@dataclass(frozen=True)
class GradientDifference(Method):
    """x ← x + λ r / ||r||₂², r = ∇f_ℓ' − ∇f_ℓ, until another class ℓ' is the best; see `ClassMargin`.

    Attributes:
        gain: λ, the amount by which a step raises f_ℓ' − f_ℓ, to first order.
        largest: the cap of a step, a root-mean-square in 1/255.
    """

    name: str = "gradient-difference"
    summary: str = "walks from the photo's own class to another, by the difference of their scores' gradients"
    paper: str = "Zhang, Zhang, Lin, Recessive Social Networking, Fig. 2"
    departures: str = (
        "scores are mean similarities to the sample's photos of a class, in place of a classifier's outputs that "
        "encoders here do not give; neither λ nor the number of steps is published: ours; steps are capped, for they "
        "grow without bound as gradients shrink; a ball of 8/255, and an end once the code's or descriptor's best "
        "class is ℓ', for every encoder and transform, which the figure leaves open; ℓ' is not the best class of "
        "the photo to begin with, which would end the walk at once; a photo of several classes leaves their mean"
    )
    needs: frozenset[Need] = GRADIENTS | {"sample", "labels"}
    gain: NotNegative = 0.05
    largest: NotNegative = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        originals = original_outputs(photos, surrogates)
        return descend(
            photos,
            surrogates,
            [class_margin(each, run, outputs) for each, outputs in zip(surrogates, originals, strict=True)],
            run,
            step=InverseGradient(self.gain, self.largest),
            wrap=lambda loss: StopWhen(loss, lambda score: score == 0),
        )
