"""TMA: targeted mismatch, a photo with another one's descriptor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recessive.codes import sign
from recessive.encoders import Encoder, Features, Outputs
from recessive.protection.constants import Whole
from recessive.protection.method import Budget, Method, Need, Run, Surrogate, descend, target_outputs
from recessive.protection.objectives.target_cosine import TargetCosine
from recessive.protection.optimise import Evaluation, Minimised, PhotoLoss
from recessive.protection.steps import Adam, State
from recessive.transforms import Blur

BLUR = 0.3  # sigma in pixels of the smaller photo
RATE_FALL = 5.0  # a try's rate is that of the try before, divided by this
TRIES = 10
CONVERGED = 1e-4  # below such a loss a try has not diverged, whatever comes after
_UNIT_ADAM = Adam((1.0, 1.0, 1.0))


class _Scaled(nn.Module):
    """A trunk that sees the photo blurred with sigma 0.3/s and s times as large."""

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
    """Each surrogate at each scale, as encoders of their own; those that share a trunk still do.

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
    """How the present try of each photo goes; written to in place, as the loss and the step know a half each.

    Attributes:
        originals: (N, 3, H, W), where every try starts.
        back: (N, 3, H, W), from the iterate to the original.
        smallest: (N,) loss of this try; infinite before its first.
        diverged: (N,) whether this try has.
    """

    originals: Tensor
    back: Tensor
    smallest: Tensor
    diverged: Tensor

    @classmethod
    def before(cls, originals: Tensor) -> Tries:
        """Before the first try of photos (N, 3, H, W)."""
        unseen = torch.full((len(originals),), torch.inf, device=originals.device)
        return cls(originals, torch.zeros_like(originals), unseen, torch.zeros_like(unseen, dtype=torch.bool))


@dataclass(frozen=True)
class Watched:
    """A loss whose tries are watched: one has diverged when the loss is above twice its smallest, not yet 1e-4.

    The loss is handed on with `weight` · Σ(x' − x)² / (H W), the squared distortion per pixel, added.

    Attributes:
        loss: the loss that is wrapped; a sum of `terms`, so that what is said of it is said of their mean.
        tries: what is found, for the whole batch.
        terms: encoders times scales.
        weight: λ of the mean.
        rows: which photos of the batch are still under way (M,); None for all.
    """

    loss: PhotoLoss
    tries: Tries
    terms: int
    weight: float
    rows: Tensor | None = None

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

    def of(self, rows: Tensor) -> Watched:
        """See `PhotoLoss`; what was found stays in one place."""
        return replace(self, loss=self.loss.of(rows), rows=rows if self.rows is None else self.rows[rows])


@dataclass(frozen=True)
class RestartingAdam:
    """Adam; where a try has diverged, back to the original, with a fifth of the rate and no memory.

    Attributes:
        tries: how they go.
        rate: of the first try, in units of the photo.
    """

    tries: Tries
    rate: float

    def initial(self, photos: Tensor) -> State:
        """Adam's memory, tries that failed, and which photos of the batch these are."""
        rows = torch.arange(len(photos), device=photos.device)
        return (*_UNIT_ADAM.initial(photos), photos.new_zeros(len(photos)), rows)

    def __call__(self, gradient: Tensor, state: State, progress: float) -> tuple[Tensor, State]:
        """See the class."""
        *memory, failed, rows = state
        update, memory = _UNIT_ADAM(gradient, tuple(memory), progress)  # type: ignore[assignment]
        rate = self.rate / RATE_FALL**failed
        again = self.tries.diverged[rows] & (failed < TRIES - 1)
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
        rate: Adam's, in units of the photo: 0.01 is 2.55 levels.
        scales: at which the photo is looked at, of its own sides. The paper's widest choice is 300, 350, …, 950 and
            1024 pixels of 1024.
        distortion: λ, the weight of the squared distortion per pixel.
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
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset({"gradients", "target"})
    budget: Budget = 255.0
    steps: Whole = 100
    rate: float = 0.01
    scales: tuple[float, ...] = (1.0,)
    distortion: float = 0.0

    def __post_init__(self) -> None:
        if not self.scales or not all(0.02 <= scale <= 3 for scale in self.scales):
            raise ValueError(f"{self.name} takes one scale or several of 0.02 to 3: {self.scales}")

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`; of several targets a photo the first is taken."""
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
            step=RestartingAdam(tries, self.rate),
            wrap=lambda loss: Watched(loss, tries, len(seen), self.distortion),
            keep_best=True,
        )
