"""PIRE: perturbations for image retrieval error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from recessive.protection.method import GRADIENTS, Run, Surrogate, check, descend, original_outputs, unchanged
from recessive.protection.objectives import DescriptorDistance
from recessive.protection.steps import Adam

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from recessive.encoders import Outputs
    from recessive.protection.method import Need
    from recessive.protection.optimise import Minimised

# All of PIRE happens in units of one standard deviation of ImageNet's channels.
STD = (0.229, 0.224, 0.225)
XI = 10 / 255  # |v| ≤ ξ
RATE = 1e-4  # of Adam
PLAIN_GAIN = 10.0
REFINED_LEVELS = 256.0
REFINED_UNIT = 0.004 * 8


def _std(photos: Tensor) -> Tensor:
    return photos.new_tensor(STD).view(1, 3, 1, 1)


@dataclass(frozen=True)
class NormalisedBox:
    """|x' − x| ≤ ξ·std in each channel: PIRE's clamp of v, in the photo's units. Implements `Ball`.

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


@dataclass(frozen=True)
class PIRE:
    """Push the descriptor away from the original's, then magnify the perturbation so that saving keeps it.

    v₀ ~ U(−ξ, ξ), Adam on −||f(x + v) − f(x)||₂² with |v| ≤ ξ, and at last x + p(v) (refined) or x + 10 v (plain).

    Attributes:
        refined: which of the two.
    """

    name: str = "pire"
    summary: str = "pushes the descriptor away from the original's; magnified just enough to survive saving"
    paper: str = "Liu, Zhao, Larson, ICMR 2019, Algorithm 1 and section 5.2.1"
    departures: str = (
        "saved through the inverse of the normalisation instead of the released code's min-max scaling, which shifts "
        "colours and contrast; magnified perturbations are clipped to the budget; the seed is fixed"
    )
    accepts: frozenset[Outputs] = frozenset({"descriptor"})
    needs: frozenset[Need] = GRADIENTS
    budget: float = 21.0  # 11 steps of 0.032 in the widest channel are 20.6/255
    steps: int = 500
    refined: bool = True

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`; what saving does is not part of PIRE's search."""
        check(self, photos, surrogates, run)
        objectives = [DescriptorDistance(outputs) for outputs in original_outputs(photos, surrogates)]
        box = NormalisedBox()
        search = replace(run, ball=box, saving=unchanged)
        rate = (RATE * STD[0], RATE * STD[1], RATE * STD[2])
        start = box.random_start(photos, run.seeds)
        found = descend(photos, surrogates, objectives, search, step=Adam(rate), start=start)
        v = (found.photos - photos) / _std(photos)
        magnified = photos + (refine(v) if self.refined else PLAIN_GAIN * v) * _std(photos)
        return replace(found, photos=run.ball.to_grid(run.ball.project(magnified, photos), photos))


PIRE_PLAIN = PIRE(
    name="pire-plain",
    summary="PIRE as first described: the perturbation times ten",
    budget=23.0,  # 10 ξ in the widest channel is 22.9/255
    refined=False,
)
