"""vanish: our own method, the default."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from recessive.balls import LInf
from recessive.codes import sign
from recessive.protection.methods.method import Run, Surrogate, check, descend, original_outputs
from recessive.protection.objectives import SoftCount
from recessive.protection.steps import L2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from recessive.balls import Ball
    from recessive.encoders import Outputs
    from recessive.protection.optimise import Minimised

CODE_TEMPERATURE = 3.0  # bits
COSINE_TEMPERATURE = 0.05
OWN_WEIGHT = 1000.0
STEP = 2.0
TILES = (4, 8, 12)  # a side
SMALLEST_TILE = 8  # pixels: smaller ones keep no texture
TEXTURE = 6.0  # grey levels of local contrast from which on the whole budget may be used
FLAT_SHARE = 0.5  # of the budget, where there is no contrast at all
WINDOW = 7  # pixels


def shuffled(photos: Tensor, tiles: int, seeds: Sequence[int]) -> Tensor:
    """Photos cut into tiles × tiles and put together in another order; a remainder at the border is left out."""
    count, channels, height, width = photos.shape
    tall, wide = height // tiles, width // tiles
    cut = photos[..., : tall * tiles, : wide * tiles].reshape(count, channels, tiles, tall, tiles, wide)
    pieces = cut.permute(0, 2, 4, 1, 3, 5).reshape(count, tiles * tiles, channels, tall, wide)
    orders = [torch.randperm(tiles * tiles, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    mixed = torch.stack([piece[order] for piece, order in zip(pieces, orders, strict=True)])
    rows = mixed.reshape(count, tiles, tiles, channels, tall, wide).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(count, channels, tall * tiles, wide * tiles)


def neighbours(photos: Tensor, seeds: Sequence[int]) -> list[Tensor]:
    """What a searcher may hold of the same motif: the photo, mirrored, its middle, and its colours elsewhere."""
    height, width = photos.shape[-2:]
    top, left = height // 8, width // 8
    middle = photos[..., top : height - top, left : width - left]
    mixed = [shuffled(photos, tiles, seeds) for tiles in TILES if min(height, width) >= SMALLEST_TILE * tiles]
    return [photos, photos.flip(-1), middle, *mixed]


@dataclass(frozen=True)
class WithinTexture:
    """A ball that allows less where the photo is flat: |x' − x| ≤ b · share(x), beside the inner ball's own bound.

    share = clamp(s / TEXTURE, FLAT_SHARE, 1) for the standard deviation s of the grey levels in a window around the
    pixel: a change of some levels is invisible in foliage and shows in a sky, and SSIM weighs it likewise. Implements
    `Ball`.

    Attributes:
        inner: the ball that was asked for.
        budget: b, in 1/255.
    """

    inner: Ball
    budget: float

    def _reach(self, originals: Tensor) -> Tensor:
        grey = F.pad(originals.mean(dim=1, keepdim=True), (WINDOW // 2,) * 4, mode="replicate")
        variance = F.avg_pool2d(grey.square(), WINDOW, 1) - F.avg_pool2d(grey, WINDOW, 1).square()
        contrast = 255 * variance.clamp(min=0).sqrt()
        return self.budget / 255 * (contrast / TEXTURE).clamp(FLAT_SHARE, 1)

    def project(self, photos: Tensor, originals: Tensor) -> Tensor:
        """Into the texture's reach, then into the inner ball."""
        reach = self._reach(originals)
        return self.inner.project(originals + (photos - originals).clamp(-reach, reach), originals)

    def random_start(self, originals: Tensor, seeds: Sequence[int]) -> Tensor:
        """The inner ball's, brought into reach."""
        return self.project(self.inner.random_start(originals, seeds), originals)

    def to_grid(self, photos: Tensor, originals: Tensor) -> Tensor:
        """The inner ball's."""
        return self.inner.to_grid(photos, originals)


@dataclass(frozen=True)
class Vanish:
    """Minimise the number of gallery photos that return the photo, softened; see `SoftCount`."""

    name: str = "vanish"
    summary: str = "minimises how many photos of a gallery would return yours (default)"
    source: str = "ours; docs/design.md"
    departures: str = "none: it is ours"
    accepts: frozenset[Outputs] = frozenset({"descriptor", "logits"})
    budget: float = 8.0
    steps: int = 60

    def __call__(self, photos: Tensor, surrogates: Sequence[Surrogate], run: Run) -> Minimised:
        """See `Method`."""
        check(self, photos, surrogates, run)
        views = [original_outputs(view, surrogates) for view in neighbours(photos, run.seeds)]
        objectives = []
        for surrogate, *own in zip(surrogates, *views, strict=True):
            is_code = surrogate.encoder.outputs == "logits"
            items = torch.stack([sign(part) if is_code else F.normalize(part) for part in own], dim=1)
            temperature = CODE_TEMPERATURE if is_code else COSINE_TEMPERATURE
            objectives.append(
                SoftCount(
                    surrogate.sample, items, surrogate.threshold, temperature, OWN_WEIGHT, surrogate.encoder.outputs
                )
            )
        if isinstance(run.ball, LInf):
            run = replace(run, ball=WithinTexture(run.ball, run.ball.budget))
        return descend(photos, surrogates, objectives, run, step=L2(STEP), keep_best=True)
