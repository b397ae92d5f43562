"""NAG: noise-induced adversarial generation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recessive.encoders import Outputs
from recessive.protection.anchors import anchor_codes
from recessive.protection.constants import Whole
from recessive.protection.method import Budget, Method, Need, Run, Surrogate, descend
from recessive.protection.objectives.target_code import TargetCode
from recessive.protection.optimise import Evaluation, Minimised, PhotoLoss
from recessive.protection.steps import Sign


@dataclass(frozen=True)
class WithNoise:
    """loss(x) + weight · loss(clip(x + n)), n ~ U(−noise, noise)/255 anew in each step; the score is that of x.

    The noise depends on the photo's seed and the step alone, so photos that leave the batch change it for none.

    Attributes:
        loss: the loss that is wrapped.
        seeds: one a photo.
        steps: of the whole run; progress · steps is the number of the step.
        noise: largest value in 1/255.
        weight: λ.
    """

    loss: PhotoLoss
    seeds: Sequence[int]
    steps: int
    noise: float
    weight: float

    def __call__(self, photos: Tensor, progress: float) -> Evaluation:
        """See `PhotoLoss`."""
        clean = self.loss(photos, progress)
        number, shape = round(progress * self.steps), photos.shape[1:]
        generators = [torch.Generator().manual_seed((1000 * seed + number) % 2**63) for seed in self.seeds]
        drawn = torch.stack([torch.rand(shape, generator=generator, device="cpu") for generator in generators])
        shifts = self.noise / 255 * (2 * drawn.to(photos) - 1)
        noisy = self.loss((photos + shifts).clamp(0, 1), progress)
        return replace(clean, loss=clean.loss + self.weight * noisy.loss)

    def of(self, rows: Tensor) -> WithNoise:
        """See `PhotoLoss`."""
        return replace(self, loss=self.loss.of(rows), seeds=[self.seeds[row] for row in rows.tolist()])


@dataclass(frozen=True)
class NAG(Method):
    """Come near to the target's code and stay there under noise; see `TargetCode` and `WithNoise`.

    Attributes:
        size: of a step in 1/255.
        noise: largest value of n in 1/255.
        weight: λ of the noisy photo's loss.
    """

    name: str = "nag"
    summary: str = "noise-induced: takes the target's code and keeps it under random noise, for other encoders too"
    paper: str = "Xiao, Wang, CVPR 2021 (You see what I want you to see), NAG; constants of the released code"
    departures: str = (
        "several targets are taken together, each bit by majority, where the released code has one photo's code; a "
        "noisy photo is clipped to [0, 1] as photos are, which the released code does to the clean one alone"
    )
    accepts: frozenset[Outputs] = frozenset({"logits"})
    needs: frozenset[Need] = frozenset({"gradients", "target"})
    budget: Budget = 32.0
    steps: Whole = 32
    size: float = 1.0
    noise: float = 32.0
    weight: float = 1.0

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [TargetCode(anchor_codes(surrogate, run, photos.device, None)) for surrogate in surrogates]

        def noisy(loss: PhotoLoss) -> PhotoLoss:
            return WithNoise(loss, run.seeds, run.steps, self.noise, self.weight)

        return descend(photos, surrogates, objectives, run, step=Sign(self.size), wrap=noisy)
