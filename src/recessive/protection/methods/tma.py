"""TMA: targeted mismatch, a photo with another one's descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.codes import sign
from recessive.encoders import Encoder, Features
from recessive.protection.constants import Bounds, Count, NotNegative
from recessive.protection.method import GRADIENTS, Budget, Method, Need, Run, Surrogate, descend, target_outputs
from recessive.protection.objectives import TargetCosine
from recessive.protection.optimise import Evaluation, Minimised, PerPhoto, PhotoLoss
from recessive.protection.steps import Adam, State, Step
from recessive.transforms import Blur

BLUR = 0.3  # sigma in pixels of the smaller photo
CONVERGED = 1e-4  # below such a loss a try has not diverged, whatever comes after
_UNIT_ADAM = Adam((1.0, 1.0, 1.0))


class _Scaled(nn.Module):
    """A trunk that gets the photo blurred with sigma 0.3/s and s times as large."""

    def __init__(self, trunk: nn.Module, scale: float) -> None:
        super().__init__()
        self.trunk = trunk
        self.scale = scale
        self.blur = Blur(BLUR / scale)

    def forward(self, photos: Tensor) -> Features:
        """Photos (N, 3, H, W) to features."""
        sides = [max(1, round(self.scale * side)) for side in photos.shape[-2:]]
        features: Features = self.trunk(F.interpolate(self.blur(photos), sides, mode="bilinear"))
        return features


def at_scales(surrogates: Sequence[Surrogate], scales: Sequence[float]) -> list[Surrogate]:
    """Return each surrogate at each scale, as encoders of their own; those that share a trunk still do.

    At the scale 1 alone photos are neither blurred nor scaled, as in the released code.
    """
    if tuple(scales) == (1.0,):
        return list(surrogates)
    found = []
    for scale in scales:
        trunks: dict[int, _Scaled] = {}
        for surrogate in surrogates:
            encoder = surrogate.encoder
            trunk = trunks.setdefault(id(encoder.trunk), _Scaled(encoder.trunk, scale))
            name = encoder.name if scale == 1 else f"{encoder.name} at {scale:.3g}"
            scaled = Encoder(name, trunk, encoder.head, encoder.dim, encoder.outputs)
            found.append(replace(surrogate, encoder=scaled))
    return found


@dataclass(frozen=True)
class Tries:
    """The state of each photo's present try; written to in place, as the loss and the step know one half each.

    Attributes:
        originals: (N, 3, H, W), where every try starts.
        back: (N, 3, H, W), the way from the iterate to the original.
        smallest: (N,) the smallest loss of this try; infinite before its first.
        diverged: (N,) whether this try has.
    """

    originals: Tensor
    back: Tensor
    smallest: Tensor
    diverged: Tensor

    @classmethod
    def before(cls, originals: Tensor) -> Tries:
        """The state before the first try of photos (N, 3, H, W)."""
        unseen = torch.full((len(originals),), torch.inf, device=originals.device)
        return cls(originals, torch.zeros_like(originals), unseen, torch.zeros_like(unseen, dtype=torch.bool))


@dataclass(frozen=True)
class Watched(PhotoLoss):
    """A loss whose tries are watched: one diverges when the loss is above twice its smallest value, not yet 1e-4.

    The loss is passed on with `weight` · Σ(x' − x)² / (H W), the squared distortion per pixel, added.

    Attributes:
        loss: the loss that is wrapped, a sum of `terms`; the rules above are about their mean.
        tries: the state of the tries, for the whole batch.
        terms: the number of encoders times the number of scales.
        weight: λ of the mean.
        rows: the indices of the photos that are not done (M,); None for all.
    """

    loss: PerPhoto[PhotoLoss]
    tries: Tries
    terms: int
    weight: float
    rows: PerPhoto[Tensor | None] = None

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        evaluation, tries = self.loss(photos, progress), self.tries
        rows = torch.arange(len(photos), device=photos.device) if self.rows is None else self.rows
        originals, now = tries.originals[rows], evaluation.loss.detach()
        smallest = torch.minimum(tries.smallest[rows], now)
        tries.smallest[rows] = smallest
        tries.diverged[rows] = (now > 2 * smallest) & (smallest >= CONVERGED * self.terms)
        tries.back[rows] = originals - photos.detach()
        cost = self.terms * self.weight * (photos - originals).square().sum(1).mean(dim=(1, 2))
        return replace(evaluation, loss=evaluation.loss + cost, score=evaluation.score + cost.detach())


@dataclass(frozen=True)
class RestartingAdam(Step):
    """Adam; where a try has diverged, back to the original, with a smaller rate and no memory.

    Attributes:
        tries: the state of the tries.
        rate: the rate of the first try, in units of the photo.
        fall: the divisor of the rate per try.
        most: the largest number of tries.
    """

    tries: Tries
    rate: float
    fall: float = 5.0
    most: int = 10

    def initial(self, photos: Tensor) -> State:
        """Adam's memory, the number of failed tries, and the indices of the photos in the batch."""
        rows = torch.arange(len(photos), device=photos.device)
        return (*_UNIT_ADAM.initial(photos), photos.new_zeros(len(photos)), rows)

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:
        """See the class."""
        *memory, failed, rows = state
        update, memory = _UNIT_ADAM(gradient, tuple(memory), progress)  # type: ignore[assignment]
        rate = self.rate / self.fall**failed
        again = self.tries.diverged[rows] & (failed < self.most - 1)
        photo_again = again.view(-1, 1, 1, 1)
        update = torch.where(photo_again, self.tries.back[rows], rate.view(-1, 1, 1, 1) * update)
        first, second, taken = memory
        self.tries.smallest[rows] = self.tries.smallest[rows].masked_fill(again, torch.inf)
        return update, (
            first.masked_fill(photo_again, 0),
            second.masked_fill(photo_again, 0),
            taken.masked_fill(again, 0),
            failed + again,
            rows,
        )


@dataclass(frozen=True)
class TMA(Method):
    """Take on the target's descriptor: mean over encoders and scales of 1 − cos(f(x'_s), f(target_s)); `TargetCosine`.

    Attributes:
        rate: the rate of Adam, in units of the photo: 0.01 is 2.55 levels.
        scales: the scales at which the encoders see the photo, of its own sides. The paper's widest choice is 300, 350,
            …, 950 and 1024 pixels of 1024.
        distortion: λ, the weight of the squared distortion per pixel.
        fall: the divisor of the rate when a try diverges.
        tries: the largest number of tries.
    """

    name: str = "tma"
    summary: str = "targeted mismatch: takes on the descriptor or the code of a target photo"
    paper: str = "Tolias, Radenovic, Chum, ICCV 2019, global descriptor; code github.com/gtolias/tma"
    departures: str = (
        "accepts logits, with the cosine to the target's code, which the paper does not know; a try that diverges "
        "begins anew with a fifth of the rate, as in the released code, but within the run's steps instead of with "
        "twice as many each time; the iterate with the smallest loss is returned, for a new try may come late; takes "
        "100 steps where the released loop takes 101; saving is part of the search; the losses of encoders and scales "
        "are summed, which Adam does not see and λ and the rule make up for; the photo is not cut to the target's "
        "size, for encoders take any; the blur has the sigma said, in the released code √2 times that; the "
        "variants that match histograms or tensors of activations are left out, for encoders give no activations; "
        "the paper names no budget but the range of pixels"
    )
    needs: frozenset[Need] = GRADIENTS | {"target"}
    budget: Budget = 255.0
    rate: NotNegative = 0.01
    scales: tuple[Annotated[float, Bounds(0.02, 3)], ...] = (1.0,)
    distortion: NotNegative = 0.0
    fall: Annotated[float, Bounds(1)] = 5.0
    tries: Count = 10

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`; of several targets per photo the first is used."""
        seen = at_scales(surrogates, self.scales)
        first = replace(run, targets=[targets[:1] for targets in run.targets or ()])
        objectives = []
        for surrogate in seen:
            targets = torch.cat(target_outputs(surrogate, first, photos.device))
            objectives.append(TargetCosine(sign(targets) if surrogate.encoder.outputs == "logits" else targets))
        tries = Tries.before(photos)
        return descend(
            photos,
            seen,
            objectives,
            run,
            step=RestartingAdam(tries, self.rate, self.fall, self.tries),
            wrap=lambda loss: Watched(loss, tries, len(seen), self.distortion),
            keep_best=True,
        )
