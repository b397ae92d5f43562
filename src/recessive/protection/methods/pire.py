"""PIRE: perturbations for image retrieval error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from recessive.balls import L2, LInf
from recessive.encoders import Outputs
from recessive.protection.constants import NotNegative, Whole
from recessive.protection.method import (
    DESCRIPTORS,
    Budget,
    Method,
    Run,
    Surrogate,
    descend,
    original_outputs,
    unchanged,
)
from recessive.protection.objectives import DescriptorDistance
from recessive.protection.optimise import Minimised
from recessive.protection.steps import Adam

# All of published PIRE happens in units of one standard deviation of ImageNet's channels.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
XI = 10 / 255  # |v| ≤ ξ
RATE = 1e-4  # of Adam
REFINED_LEVELS = 256.0
REFINED_UNIT = 0.004 * 8


def _std(photos: Tensor) -> Tensor:
    return photos.new_tensor(STD).view(1, 3, 1, 1)


@dataclass(frozen=True)
class NormalisedBox:
    """|x' − x| ≤ ξ·std in each channel: PIRE's clamp of v, in the photo's units. A `Ball`.

    The released code does not keep x + v inside [0, 1] while it searches; neither does this.
    """

    radius: float = XI

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """The nearest point of the box."""
        radius = self.radius * _std(originals)
        return originals + (photos - originals).clamp(-radius, radius)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """v₀ uniform in the box, each photo from its own seed."""
        shape = originals.shape[1:]
        draws = [torch.rand(shape, generator=torch.Generator().manual_seed(seed), device="cpu") for seed in seeds]
        return originals + (2 * torch.stack(draws).to(originals) - 1) * self.radius * _std(originals)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:  # noqa: ARG002 - v is finer than the grid
        """The photos as they are: v is magnified before it is saved."""
        return photos


def refine(v: Tensor) -> Tensor:
    """p(v) = 0.032 · ⌈256 |v|⌉ · sign(v): up to 11 steps, each just large enough to survive rounding."""
    return REFINED_UNIT * (REFINED_LEVELS * v.abs()).ceil() * v.sign()


def min_max_saved(photos: Tensor) -> Tensor:
    """y = (n − min n) / (max n − min n), n = (x − mean) / std: what the released code writes to a file.

    It hands the normalised photo to a function that spreads the smallest to the largest value of all channels over
    [0, 1], so that colours and contrast shift, also where nothing was protected. Only SSIM as published needs it; the
    published files are JPEG besides, of Pillow's quality 75.

    Args:
        photos: (N, 3, H, W), which may leave [0, 1].

    Returns:
        (N, 3, H, W) in [0, 1], each photo by its own extremes; one whose values hardly differ is nearly black.
    """
    normalised = (photos - photos.new_tensor(MEAN).view(1, 3, 1, 1)) / _std(photos)
    lowest, highest = normalised.amin(dim=(1, 2, 3), keepdim=True), normalised.amax(dim=(1, 2, 3), keepdim=True)
    return (normalised - lowest) / (highest - lowest).clamp(min=1e-5)


@dataclass(frozen=True)
class PIRE(Method):
    """Push the descriptor away from the original's, then magnify the perturbation so that saving keeps it.

    v₀ ~ U(−ξ, ξ), Adam on −||f(x + v) − f(x)||₂² with |v| ≤ ξ, and finally x + p(v) (refined) or x + gain · v (plain).

    Attributes:
        xi: ξ, in standard deviations of a channel: 10/255 of them are 2.2 to 2.3 levels.
        rate: the rate of Adam, in standard deviations of a channel.
        refined: whether the perturbation is magnified by p(v) rather than by a plain gain.
        gain: the plain gain.
        saving: how the photo is saved: by the inverse of the normalisation, or by `min_max_saved` to match the
            published SSIM; the latter moves values far, so it needs a budget of 255 and is clipped by any smaller one.
    """

    name: str = "pire"
    summary: str = "pushes the descriptor away from the original's; magnified just enough to survive saving"
    paper: str = "Liu, Zhao, Larson, ICMR 2019, Algorithm 1 and section 5.2.1; code github.com/liuzrcc/PIRE"
    departures: str = (
        "saved through the inverse of the normalisation instead of the released code's min-max scaling, which shifts "
        "colours and contrast; magnified perturbations are clipped to the budget; T steps as in the released code, "
        "where the printed loop takes T − 1; v is clipped after each step as printed, in the released code after the "
        "next forward pass; the gain of 8 in p(v) is from the released code, the paper has no figure; the seed is fixed"
    )
    accepts: frozenset[Outputs] = DESCRIPTORS
    budget: Budget = 21.0  # 11 steps of 0.032 in the widest channel are 20.6/255
    steps: Whole = 500
    xi: NotNegative = XI
    rate: NotNegative = RATE
    refined: bool = True
    gain: NotNegative = 10.0
    saving: Literal["inverse", "min-max"] = "inverse"

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`; saving is not part of PIRE's search."""
        objectives = [DescriptorDistance(outputs) for outputs in original_outputs(photos, surrogates)]
        box = NormalisedBox(self.xi)
        search = replace(run, ball=box, saving=unchanged)
        rate = (self.rate * STD[0], self.rate * STD[1], self.rate * STD[2])
        start = box.random_start(photos, run.seeds)
        found = descend(photos, surrogates, objectives, search, step=Adam(rate), start=start)
        v = (found.photos - photos) / _std(photos)
        magnified = photos + (refine(v) if self.refined else self.gain * v) * _std(photos)
        if self.saving == "min-max":
            magnified = min_max_saved(magnified)
        return replace(found, photos=run.ball.to_grid(run.ball.project(magnified, photos), photos))


PIRE_PLAIN = PIRE(
    name="pire-plain",
    summary="PIRE as first described: the perturbation times ten",
    budget=23.0,  # 10 ξ in the widest channel is 22.9/255
    refined=False,
)


@dataclass(frozen=True)
class PIREBudget(Method):
    """PIRE within the requested budget: Eq. 1 on the pixels, with ε the budget, and nothing magnified afterwards.

    Published PIRE searches within 2.3/255 and leaves its own ball by magnifying; a budget below 21 then only cuts off.

    Attributes:
        rate: the rate of Adam as a share of the budget; the published rate is this share of ξ.
    """

    name: str = "pire-budget"
    summary: str = "PIRE searched within the budget on the pixels, as saved; nothing is magnified"
    paper: str = "Liu, Zhao, Larson, ICMR 2019, Eq. 1"
    departures: str = (
        "a ball in pixels instead of the normalised box of 10/255, so that no photo has to leave it; Adam's rate is "
        "the published share of the radius; no perturbation is magnified, for rounding is part of the search; the "
        "paper names no such budget: 8/255 as the others here"
    )
    accepts: frozenset[Outputs] = DESCRIPTORS
    steps: Whole = 500
    rate: NotNegative = RATE / XI

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = [DescriptorDistance(outputs) for outputs in original_outputs(photos, surrogates)]
        budget = run.ball.budget if isinstance(run.ball, LInf | L2) else self.budget
        rate = self.rate * budget / 255
        start = run.ball.random_start(photos, run.seeds)
        return descend(photos, surrogates, objectives, run, step=Adam((rate, rate, rate)), start=start)
