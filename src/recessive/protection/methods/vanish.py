"""vanish: our own method, the default.

It minimises, softened, how many photos of a gallery would return the photo (`SoftCount`). The gallery is represented by
the owner's sample and by random views of the photo itself (`views`), which stand for pictures of the same motif.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.codes import hamming, sign, sign_soft_gradient
from recessive.encoders import Outputs
from recessive.protection.constants import Count, NotNegative, Positive, Share, Whole
from recessive.protection.method import (
    GRADIENTS,
    Method,
    MethodError,
    Need,
    Run,
    Surrogate,
    descend,
    original_outputs,
    sample_of,
)
from recessive.protection.optimise import KeepSimilar, Minimised, Objective, PerPhoto, StopWhen
from recessive.protection.steps import L2

SAFE = 3.0  # e⁻³: of as many photos again as the sample has, a twentieth of one is expected within T
VIEW_SIDE = 256  # pixels
ZOOM = (0.5, 1.15)  # side of a view in sides of the photo
STRETCH = 0.1
TURN = 15.0  # degrees
LIGHT = 0.4  # logarithm of the gamma, and share of the gain
TINT = 0.15  # share of the gain, per channel


def views(photos: Tensor, seeds: Sequence[int], count: int) -> list[Tensor]:
    """Draw views of each photo, as if from another distance and angle, in another light, mirrored or not.

    Args:
        photos: (N, 3, H, W).
        seeds: one seed per photo; the views of a photo depend on no other.
        count: the number of views; the first ones are the same for every count.

    Returns:
        `count` tensors (N, 3, h, w).
    """
    side = min(VIEW_SIDE, *photos.shape[-2:])
    small = F.interpolate(photos, (side, side), mode="bilinear", antialias=True)
    return [_view(small, seeds, number) for number in range(count)]


def _view(small: Tensor, seeds: Sequence[int], number: int) -> Tensor:
    generators = [torch.Generator().manual_seed(1000 * seed % 2**63 + number) for seed in seeds]
    drawn = torch.stack([torch.rand(11, generator=generator, device="cpu") for generator in generators])
    drawn = drawn.to(small)
    around = 2 * drawn - 1  # in [−1, 1]
    zoom = ZOOM[0] + (ZOOM[1] - ZOOM[0]) * drawn[:, 0]
    stretch, turn = 1 + STRETCH * around[:, 1], math.radians(TURN) * around[:, 2]
    mirror = around[:, 3].sign()
    room = (1 - zoom).clamp(min=0)
    rows = [
        mirror * zoom * stretch * turn.cos(),
        -zoom * turn.sin(),
        room * around[:, 4],
        mirror * zoom * turn.sin(),
        zoom / stretch * turn.cos(),
        room * around[:, 5],
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1).view(-1, 2, 3), list(small.shape), align_corners=False)
    seen = F.grid_sample(small, grid, padding_mode="reflection", align_corners=False)
    gamma = (LIGHT * around[:, 6]).exp().view(-1, 1, 1, 1)
    gain = ((1 + LIGHT * around[:, 7:8]) * (1 + TINT * around[:, 8:])).view(-1, 3, 1, 1)
    return (seen.clamp(1e-4, 1) ** gamma * gain).clamp(0, 1)


def neighbours(photos: Tensor, seeds: Sequence[int], count: int) -> list[Tensor]:
    """What a searcher may hold of the same motif: the photo, its mirror image, and `count` − 2 views of it."""
    return [photos, photos.flip(-1), *views(photos, seeds, count - 2)][:count]


@dataclass(frozen=True)
class SoftCount(Objective):
    """loss(x') = log Σ_g w_g exp((T − D(h(x'), c_g)) / τ), the logarithm of an upper bound of the hits within T.

    Each hit adds at least w_g, since exp((T − D)/τ) ≥ 1 where D ≤ T: a loss below 0 proves that there is none. Unlike a
    logistic count it is not flat far inside T, so a photo is pushed out of the midst of its own kind.

    The sum goes over the owner's sample (w = 1) and over the photo's own neighbours, the encoder's outputs for the
    original and views of it (w = own_weight): the sample may hold few or no photos of the same motif, a searcher may.
    For codes D = ½ (m − h·c), h = sign(logits) with the gradient of softsign; for descriptors D = 1 − d·c.
    Source: ours, docs/vanish.md.

    Attributes:
        sample: c_g of the owner's sample, codes of ±1 or descriptors (S, D).
        own: c_g of each photo's own neighbours (N, V, D).
        threshold: T, a Hamming distance or a cosine distance.
        temperature: τ, in the same unit.
        own_weight: the number of photos that each own neighbour counts for.
        outputs: whether outputs are logits or descriptors.
    """

    sample: Tensor
    own: PerPhoto[Tensor]
    threshold: float
    temperature: float
    own_weight: float
    outputs: Outputs

    def _distances(self, items: Tensor) -> Tensor:
        """Items (N, D), codes or descriptors, to distances (N, S + V)."""
        own = torch.einsum("nd,nvd->nv", items, self.own)
        if self.outputs == "logits":
            return torch.cat([hamming(items, self.sample), 0.5 * (items.shape[1] - own)], dim=1)
        return torch.cat([1 - items @ self.sample.T, 1 - own], dim=1)

    def __call__(self, outputs: Tensor, progress: float) -> Tensor:  # noqa: ARG002 - constant throughout
        """Outputs (N, D) to losses (N,)."""
        items = sign_soft_gradient(outputs) if self.outputs == "logits" else outputs
        margin = (self.threshold - self._distances(items)) / self.temperature
        weights = margin.new_zeros(margin.shape[1])
        weights[len(self.sample) :] = math.log(self.own_weight)
        return torch.logsumexp(margin + weights, dim=1)

    def score(self, outputs: Tensor) -> Tensor:
        """The loss (N,), or −`SAFE` where it is smaller: there the photo is hidden with a margin.

        A hard count within T stands still once T is passed, long before a photo is safe.
        """
        return self(outputs, 1.0).clamp(min=-SAFE)


@dataclass(frozen=True)
class Vanish(Method):
    """Minimise the number of gallery photos that return the photo, softened; see `SoftCount`.

    Attributes:
        code_temperature: τ for codes, in bits; own neighbours stand for other pictures, which lie around them.
        labelled_temperature: τ for codes, in bits, where labels tell which photos of the sample are of the same class.
        cosine_temperature: τ for descriptors, a cosine distance.
        own_weight: the number of photos that each own neighbour counts for; 1 where labels tell the class.
        neighbours: the number of own neighbours: the photo, its mirror image, and random views of it.
        path: the length of all steps together, a root-mean-square in 1/255.
        first_step: the length of the first step at most, a root-mean-square in 1/255.
        momentum: the momentum of the steps.
        ssim_floor: the coarse SSIM that a photo should keep; the real one is then smaller by about 0.005.
        ssim_weight: the cost of a coarse SSIM that is lower by 1.
    """

    name: str = "vanish"
    summary: str = "minimises how many photos of a gallery would return yours (default)"
    paper: str = "ours; docs/vanish.md"
    departures: str = "none: it is ours"
    needs: frozenset[Need] = GRADIENTS | {"sample"}
    steps: Whole = 60
    code_temperature: Positive = 3.0
    labelled_temperature: Positive = 1.0
    cosine_temperature: Positive = 0.05
    own_weight: Positive = 1e6
    neighbours: Count = 24
    path: NotNegative = 120.0
    first_step: NotNegative = 12.0
    momentum: Share = 0.85
    ssim_floor: Share = 0.908
    ssim_weight: NotNegative = 600.0

    def soft_counts(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> list[SoftCount]:
        """Return what vanish minimises: one objective per surrogate.

        Raises:
            MethodError: if a surrogate has no threshold.
        """
        near = [original_outputs(view, surrogates) for view in neighbours(photos, run.seeds, self.neighbours)]
        objectives = []
        for surrogate, *own in zip(surrogates, *near, strict=True):
            outputs = surrogate.encoder.outputs
            if surrogate.threshold is None:
                raise MethodError(
                    f"{self.name} needs the distance within which a search with {surrogate.encoder.name} returns a "
                    "photo: a Surrogate's `threshold`"
                )
            items = torch.stack([sign(part) if outputs == "logits" else F.normalize(part) for part in own], dim=1)
            # where labels tell the sample's photos of the same class, they are neighbours enough
            labelled = surrogate.labels is not None and run.labels is not None
            weight = 1.0 if labelled else self.own_weight
            of_codes = self.labelled_temperature if labelled else self.code_temperature
            temperature = of_codes if outputs == "logits" else self.cosine_temperature
            objectives.append(SoftCount(sample_of(surrogate), items, surrogate.threshold, temperature, weight, outputs))
        return objectives

    def step(self, steps: int) -> L2:
        """Return the step for a number of steps; few steps cannot mend a first one that goes too far."""
        return L2(min(self.first_step, steps, 2 * self.path / max(steps, 1)), self.momentum)

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        safe = -SAFE * len(surrogates)  # each of them is, and the SSIM is above its floor
        return descend(
            photos,
            surrogates,
            self.soft_counts(photos, surrogates, run),
            run,
            step=self.step(run.steps),
            wrap=lambda loss: StopWhen(
                KeepSimilar(loss, photos, self.ssim_floor, self.ssim_weight), lambda score: score <= safe
            ),
            keep_best=True,
        )
