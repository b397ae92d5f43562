"""vanish: our own method, the default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from recessive.codes import sign
from recessive.encoders import Outputs
from recessive.protection.constants import Whole
from recessive.protection.losses import KeepSimilar, StopWhen
from recessive.protection.method import (
    Budget,
    Method,
    MethodError,
    Need,
    Run,
    Surrogate,
    descend,
    original_outputs,
    sample_of,
)
from recessive.protection.objectives import SoftCount
from recessive.protection.objectives.soft_count import SAFE
from recessive.protection.optimise import Minimised
from recessive.protection.steps import L2

CODE_TEMPERATURE = 3.0  # bits: own neighbours stand in for other pictures, which lie around them
LABELLED_TEMPERATURE = 1.0  # bits, where the sample itself holds those
COSINE_TEMPERATURE = 0.05
OWN_WEIGHT = 1e6
PATH = 120.0  # levels, root-mean-square: all steps together
STEP = 12.0  # at most, the first one, root-mean-square
MOMENTUM = 0.85
SSIM_FLOOR = 0.908  # of the coarse SSIM; the real one is then about 0.903
SSIM_WEIGHT = 600.0
VIEWS = 22
VIEW_SIDE = 256  # pixels
ZOOM = (0.5, 1.15)  # side of a view in sides of the photo
STRETCH = 0.1
TURN = 15.0  # degrees
LIGHT = 0.4  # logarithm of the gamma, and share of the gain
TINT = 0.15  # share of the gain, a channel


def views(photos: Tensor, seeds: Sequence[int], count: int) -> list[Tensor]:
    """Random views of each photo, as if from another distance and angle, in another light, mirrored or not.

    Args:
        photos: (N, 3, H, W).
        seeds: one a photo; the views of a photo depend on no other.
        count: of views; the first ones are the same for every count.

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


def neighbours(photos: Tensor, seeds: Sequence[int], count: int = 2 + VIEWS) -> list[Tensor]:
    """What a searcher may hold of the same motif: the photo, mirrored, and as other pictures of it would look."""
    return [photos, photos.flip(-1), *views(photos, seeds, count - 2)]


def soft_counts(name: str, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> list[SoftCount]:
    """What vanish minimises: one objective a surrogate.

    Raises:
        MethodError: a surrogate has no threshold; `name` is that of the method.
    """
    near = [original_outputs(view, surrogates) for view in neighbours(photos, run.seeds)]
    objectives = []
    for surrogate, *own in zip(surrogates, *near, strict=True):
        is_code = surrogate.encoder.outputs == "logits"
        if surrogate.threshold is None:
            raise MethodError(
                f"{name} needs the distance within which a search with {surrogate.encoder.name} returns a "
                "photo: a Surrogate's `threshold`"
            )
        items = torch.stack([sign(part) if is_code else F.normalize(part) for part in own], dim=1)
        # where labels tell the sample's photos of the same class, they are neighbours enough
        labelled = surrogate.labels is not None and run.labels is not None
        weight = 1.0 if labelled else OWN_WEIGHT
        of_codes = LABELLED_TEMPERATURE if labelled else CODE_TEMPERATURE
        temperature = of_codes if is_code else COSINE_TEMPERATURE
        outputs = surrogate.encoder.outputs
        objectives.append(SoftCount(sample_of(surrogate), items, surrogate.threshold, temperature, weight, outputs))
    return objectives


@dataclass(frozen=True)
class Vanish(Method):
    """Minimise the number of gallery photos that return the photo, softened; see `SoftCount`."""

    name: str = "vanish"
    summary: str = "minimises how many photos of a gallery would return yours (default)"
    paper: str = "ours; docs/design.md"
    departures: str = "none: it is ours"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    needs: frozenset[Need] = frozenset({"gradients", "sample"})
    budget: Budget = 8.0
    steps: Whole = 60

    def protect(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        objectives = soft_counts(self.name, photos, surrogates, run)
        safe = -SAFE * len(surrogates)  # each of them is, and the SSIM is above its floor
        # few steps cannot mend a first one that goes too far
        first = min(STEP, run.steps, 2 * PATH / max(run.steps, 1))
        return descend(
            photos,
            surrogates,
            objectives,
            run,
            step=L2(first, MOMENTUM),
            wrap=lambda loss: StopWhen(KeepSimilar(loss, photos, SSIM_FLOOR, SSIM_WEIGHT), lambda score: score <= safe),
            keep_best=True,
        )
